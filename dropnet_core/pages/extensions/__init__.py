"""Sphinx extensions of the book. They are part of the package so that any way to call Sphinx finds them."""
