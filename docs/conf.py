"""The documentation as a site: `make docs` writes it to build/docs and runs its examples; a warning is an error."""

import ajuste_fino

project = "ajuste_fino"
author = "The ajuste_fino authors"
version = release = ajuste_fino.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx.ext.doctest"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = f"ajuste_fino {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
doctest_global_setup = "from ajuste_fino.errors import *"
