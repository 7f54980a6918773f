"""The documentation site: `sphinx-build -W -n --keep-going docs build/site`, with the extra `docs` installed.

What is made of the code, the commands' pages, the reference and the gallery, is made anew at each build, in
`docs/generated`, which is not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import mtcnn_cpp.types  # noqa: E402

project = "mtcnn_cpp"
author = "The authors of mtcnn_cpp"
release = version = mtcnn_cpp.__version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "site_parts.reference",
    "site_parts.commands",
    "site_parts.gallery",
    "site_parts.try_page",
    "site_parts.marks",
]
exclude_patterns = ["site_parts", "gallery/*.py", "gallery/README.md", "images/README.md"]

myst_enable_extensions = ["deflist", "colon_fence", "attrs_inline", "attrs_block"]
myst_heading_anchors = 4
highlight_language = "text"
smartquotes = False  # --option stays --option
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

autodoc_default_options = {
    "members": True,
    "inherited-members": "object, BaseException, Exception, ValueError, KeyError, ImportError, RuntimeError, "
    "int, tuple, Mapping, Sequence, Protocol, Generic, Enum",
    "member-order": "bysource",
}
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of a class in its own description
napoleon_use_rtype = False
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_type_aliases = {  # by their names, which have entries, and not by what they stand for
    name: f"mtcnn_cpp.types.{name}"
    for name in mtcnn_cpp.types.__all__
    if name != "StageName" and not isinstance(getattr(mtcnn_cpp.types, name), type)  # not in a dict
}
python_use_unqualified_type_names = True
add_module_names = False
maximum_signature_line_length = 90

html_theme = "furo"
html_title = "mtcnn_cpp"
html_static_path = ["site_parts/static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#166a53", "color-brand-content": "#166a53"},
    "dark_css_variables": {"color-brand-primary": "#74bda6", "color-brand-content": "#74bda6"},
}
