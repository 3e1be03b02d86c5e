"""Errors that a person has to read.

Only the base class is here; each package declares its errors beside the code that raises them.
"""

from __future__ import annotations


class UserError(Exception):
    """Something that the operator can put right: the message is one line that names what is wrong
    and what would be right. The command line prints it and exits with status 2.
    """
