"""The HTML contact sheet: rows in, one page out."""
