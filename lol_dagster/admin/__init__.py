"""The web view: see and edit everything that the database holds. Flask-Admin on our own models.

Belongs here: pages, forms, sign-in, how values look. What a page may change is decided by the rooms
below (roster, delivery, stats, …), which the command line uses too.

How a page is added
-------------------
1. A module in `views/` with `register(admin)`, which calls `admin.add_view(...)`, and its name in
   `views/__init__.py`, in the order of the menu. `category=` is the heading it stands under in the
   menu.
2. A list of rows is a `BaseModelView` (model_view.py): say which columns, filters and searches, and
   override `save` and `remove` where something may be changed; both get a session inside one writing
   transaction, in the name of whoever is signed in. Anything else is Flask-Admin's `BaseView`
   with `@expose`d methods and `self.render(template, …)`.
3. Templates extend `admin/master.html` and fill `{% block body %}`. No inline script, no inline
   style, no `style=` attribute: the Content-Security-Policy forbids them. The application's own script
   (static/context.js) is driven by `data-` attributes; the site works without it.
4. Read with `reading()`; write only inside `with writing() as session:` (transactions.py), without
   any call over the network in it. A `UserError` raised there is said to the person in its words.
5. Writes are POSTs of a `<form>` that begins with `{{ form_token() }}`.
6. Small charts come from charts.py, with their numbers in a table beside them. The start page links to
   `game`, `message` and `quarantine` by those endpoints, where they are registered.

Nothing is to be done for protection: every route that is registered needs a signed-in operator, every
POST a token and an origin of our own. The tests go through the app's url_map and try each.
"""
