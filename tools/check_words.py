"""Check that documentation, docstrings and messages use the field's words and plain English.

A pattern on the left is refused, what stands on the right is what to write. In Python files
docstrings and strings are looked through, in Markdown everything outside code.

    python tools/check_words.py [FILE ...]
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Everywhere: what is refused -> what to write.
WORDS = {
    r"naming (of )?(a|the|each) cells?|names? (a|the|each|its) cells?": "classify, classification",
    r"second looks?|looks? (once more|a second time)": "refinement, refine",
    r"at (one|a single) look|one look|all looks|looks? (per|each)": "crop, window",
    r"spreads?(?! (over|evenly|points))": "standard deviation (or: range, distribution)",
    r"answers(?! (with|at))": "predictions",
    r"readers? of (the )?maps|maps?' readers?": "classifier head",
    r"shares of (the )?peaks|peaks' shares": "weights",
    r"painted (cells?|slides?|tissue|images?)": "synthetic",
    r"(have|has|had|having) a say": "contribute",
    r"(is|are) asked of": "is computed for",
    r"tell(s|ing)? of|told of": "say, describe",
    r"networks? of today": "a modern network",
    r"(row|rows|lines?|values?|numbers?|seconds?|ms|times) an? "
    r"(image|patch|epoch|cell|sample|class|fold|stage|slide|tile|step|field)": "per image, ...",
    r"(images|patches|steps|tiles|epochs) a second": "per second",
    r"by the clock|clock time": "wall time",
    r"(seconds|minutes|hours) of (the )?processor|processor[- ](seconds|time)": "CPU time",
    r"to the (last )?bit|to the same bits|the same bits": "bit for bit, bit-identical",
    r"(hold|holds|holding) no code": "contain no executable code",
    r"tables go round": "File formats",
    r"(fit|predict)/s": "fit (s), predict (s)",
    r"of all chance": "random seed",
    r"if not so": "default",
}
PATTERN = {re.compile(rf"\b(?:{p})\b", re.IGNORECASE): use for p, use in WORDS.items()}

#: What no docstring begins with.
FIRST = re.compile(r"(Gives?|Tells?|Lets?|Have|Has)\b")

#: Code in Markdown and in docstrings: blocks, `literals`, and lines of a doctest.
CODE = re.compile(
    r"^(```|~~~).*?^\1|``[^`]+``|`[^`]*`|\]\([^)]*\)|^ *(?:>>>|\.\.\.) .*?$",
    re.MULTILINE | re.DOTALL,
)


def blank(text):
    """Put spaces in the place of code, so that lines keep their numbers."""
    return CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def faults_in(text):
    """Find the words that are refused.

    Parameters
    ----------
    text : str
        Prose; code in it is left out.

    Returns
    -------
    faults : list of (int, str)
        Line from 0, and what to change.
    """
    prose = blank(text)
    found = [
        (prose.count("\n", 0, match.start()), f"{match[0]!r}: write {use}")
        for pattern, use in PATTERN.items()
        for match in pattern.finditer(prose)
    ]
    return sorted(found)


def faults_in_python(source):
    """Find the words that are refused in the docstrings and strings of a module."""
    faults, tree = [], ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)) and FIRST.match(text):
            line = node.body[0].lineno
            faults.append((line, f"a docstring begins with {text.split()[0]!r}"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            faults += [(node.lineno + line, fault) for line, fault in faults_in(node.value)]
    return sorted(faults)


def files():
    """List the files that are read: the documentation, and the Python of what is shipped."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("stnclf/report/page/*.html")]
    for folder in ("stnclf", "examples", "docs/figures"):
        found += (ROOT / folder).rglob("*.py")
    return sorted(found)


def main(paths):
    """Print each fault as ``file:line: what``; the exit status is 1 if there is one."""
    n = 0
    for path in paths or files():
        text = Path(path).read_text(encoding="utf-8")
        if path.suffix == ".py":
            faults = faults_in_python(text)
        else:
            faults = [(line + 1, fault) for line, fault in faults_in(text)]
        for line, fault in faults:
            print(f"{path.relative_to(ROOT)}:{line}: {fault}")
        n += len(faults)
    return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument).resolve() for argument in sys.argv[1:]]))
