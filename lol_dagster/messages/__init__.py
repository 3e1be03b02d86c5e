"""Who is told what, and how it reads."""
