# SPDX-License-Identifier: MIT
"""Tables in Markdown, and the marked sections of files that have them."""

import re


def table(rows):
    """A table from rows of text. The first row has the titles. All columns but the first are numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":")
                                   for i, width in enumerate(widths)) + "|")
    return "\n".join(lines)


def figures_table(result, columns, first="target"):
    """A table from {name: {key: number}}. `columns` has key, title and format of each column."""
    columns = [column for column in columns if any(column[0] in figures for figures in result.values())]
    rows = [[first] + [title for _, title, _ in columns]]
    for name, figures in result.items():
        rows.append([str(name)] + [shape.format(figures[key]) if key in figures else "-"
                                   for key, _, shape in columns])
    return table(rows)


def write_section(path, name, text):
    """Replaces the text between the marks of this name with `text`, or appends it.

    Sections of other commands stay.
    """
    begin, end = f"<!-- BEGIN {name} -->", f"<!-- END {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = path.read_text() if path.exists() else ""
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if marked.search(old):
        new = marked.sub(lambda _: section, old)
    else:
        new = f"{old.rstrip()}\n\n{section}\n".lstrip()
    path.write_text(new)
