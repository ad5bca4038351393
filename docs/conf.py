"""Sphinx configuration; ``make docs`` builds the site into docs/_build."""

import ast
import importlib
import os
import re
import sys
import warnings
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MPLBACKEND", "agg")

from sphinx.pycode import ModuleAnalyzer  # noqa: E402
from sphinx.util.nodes import make_refnode  # noqa: E402

import stnclf  # noqa: E402

project = "stnclf"
author = "The stnclf developers"
copyright = author
version = release = stnclf.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
# Notes are parts of generated pages already.
exclude_patterns = ["_build", "figures"]
suppress_warnings = ["config.cache"]  # functions in the configuration cannot be pickled
nitpicky = True
# Other packages are not linked to: that would take their inventories from the network.
nitpick_ignore_regex = [
    ("py:.*", r"(torch|np|numpy|skorch|joblib|sklearn|pandas|dask|onnx|os|pathlib)\..*"),
    ("py:.*", r"stnclf\.(\w+\.)*_.*"),  # private modules have no pages
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

smartquotes = False  # types and values keep the quotes they are typed with
highlight_language = "none"  # unless a block names one, or has >>>
default_role = "autolink"  # a link where the name can be imported, else italics
autosummary_ignore_module_all = False
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the sections of the docstrings say it with shapes
numpydoc_show_class_members = False

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"svg.fonttype": "path"}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "thumbnail_size": (400, 280),
}
# Examples draw on a canvas that shows nothing.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

html_theme = "pydata_sphinx_theme"
html_title = "stnclf"
html_static_path = ["_static"]
html_css_files = ["stnclf.css"]
html_js_files = ["stnclf.js"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "stnclf"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "navigation_depth": 3,
}
# Pages without a section have nothing to list at their left.
html_sidebars = {
    name: [] for name in ("index", "install", "start", "tutorial", "changes", "contributing")
}


def skip_foreign(app, what, name, item, skip, options):
    """Leave out members that scikit-learn and torch bring."""
    module = getattr(item, "__module__", None) or getattr(
        getattr(item, "fget", None), "__module__", ""
    )
    return True if module and not module.startswith("stnclf") else None


#: Where a docstring's text would be taken for markup: the star of (n, *size), the last character of
#: (n_features_in_,), and the initial of a reference, as "R. Girshick", which would begin a list.
TEXT = re.compile(
    r"(?<=, )(?=\*\w)|(?<=\w)(?=_,?\))|^(?P<reference>\s*\.\. \[[^]]+\] )(?=[A-Z]\. )"
)


def escape_text(app, what, name, item, options, lines):
    """Put a backslash before what is text and no markup."""
    lines[:] = [TEXT.sub(lambda found: (found["reference"] or "") + "\\", line) for line in lines]


def lend_comment(app, what, name, item, options, lines):
    """Describe a constant that a package hands on by the comment in the module that defines it."""
    module, _, attribute = name.rpartition(".")
    while what == "data" and module:
        analyzer = ModuleAnalyzer.for_module(module)
        comments = analyzer.find_attr_docs()
        if ("", attribute) in comments:
            lines[:] = comments["", attribute]
            return
        face = importlib.import_module(module)
        imports = [
            "." * node.level + (node.module or "")
            for node in ast.walk(ast.parse(analyzer.code))
            if isinstance(node, ast.ImportFrom)
            and attribute in [alias.name for alias in node.names]
        ]
        module = resolve_name(imports[0], face.__spec__.parent) if imports else None


def find_by_name(app, env, node, contnode):
    """Link a name that is documented elsewhere, where exactly one object has it.

    Of an object that two modules hand on, as `stnclf.save` and `stnclf.persistence.save`, the one
    with the shorter path counts.
    """
    python, wanted = env.get_domain("py"), node["reftarget"].split(".")[-1]
    found = [
        name
        for name, target in python.objects.items()
        if name.split(".")[-1] == wanted and not target.aliased
    ]
    found.sort(key=lambda name: name.count("."))
    if not found or [name.count(".") for name in found].count(found[0].count(".")) > 1:
        return None
    target = python.objects[found[0]]
    return make_refnode(
        app.builder, node["refdoc"], target.docname, target.node_id, contnode, found[0]
    )


def leave_out_missing(app, docname, source):
    """Take patterns such as ``ablation*`` that no page fits out of tables of contents."""
    pages = [page.stem for page in Path(app.srcdir).glob("*.md")]
    source[0] = re.sub(
        r"^(\w+)\*\n",
        lambda line: line[0] if any(page.startswith(line[1]) for page in pages) else "",
        source[0],
        flags=re.MULTILINE,
    )


def setup(app):
    """Register what is not an extension of its own."""
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", escape_text)
    app.connect("autodoc-process-docstring", lend_comment)
    app.connect("missing-reference", find_by_name)
    app.connect("source-read", leave_out_missing)
