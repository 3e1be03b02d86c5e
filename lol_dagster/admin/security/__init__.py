"""Who may use the web view, and how requests from elsewhere are kept out."""
