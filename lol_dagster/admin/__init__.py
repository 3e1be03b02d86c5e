"""The web view: see and edit everything that the database holds. Flask-Admin on our own models.

Belongs here: pages, forms, sign-in, how values are shown. What a page may change is decided by the
packages below (roster, delivery, pipeline, …), which the command line uses too.

How a page is added
-------------------
1. A module in `views/` with `register(admin)`, which calls `admin.add_view(...)`, and its name in
   `views/__init__.py`, in the order of the menu. `category=` is its heading in the menu.
2. A list of rows is a `BaseModelView` (model_view.py): name its columns, filters and searches. Rows
   that people edit are a `RosterView` (roster_view.py), which overrides `save` and `remove`; both get
   a session of one writing transaction, in the name of whoever is signed in. Anything else is
   Flask-Admin's `BaseView` with `@expose`d methods and `self.render(template, …)`.
3. Templates extend `admin/master.html` and fill `{% block body %}`. No inline script, no inline
   style, no `style=` attribute: the Content-Security-Policy forbids them. Our own script
   (static/base.js) is driven by `data-` attributes; the site works without it.
4. Read with `reading()`; write only inside `with writing() as session:` (transactions.py), without
   any call over the network in it. A `UserError` raised there is shown to the person as it is.
5. Writes are POSTs of a `<form>` that begins with `{{ form_token() }}`.
6. Small charts come from charts.py, with their numbers in a table beside them.

Protection needs nothing from a page: every route that is registered needs a signed-in operator, every
POST a token and an origin of our own. The tests go through the app's url_map and try each.
"""
