"""Sphinx: the documents, with the reference drawn from the docstrings."""

from l0gates import __version__

project = "l0gates"
release = version = __version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, which are no pages
