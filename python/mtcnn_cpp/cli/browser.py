"""Opens a local page in the browser."""

from __future__ import annotations

import webbrowser

from ..media.window import has_display
from .errors import print_line


def open_browser(address: str) -> None:
    """Open the address, which was printed before. Without a graphical browser, print a line that says so."""
    if not (has_display() and webbrowser.open(address)):  # a text browser cannot show the page
        print_line("no browser was found; open the address above", err=True)
