# SPDX-License-Identifier: MIT
"""Draws the CPU time per visit of all compared targets as bars in an SVG file."""

from xml.sax.saxutils import escape

WIDTH = 760
LEFT = 190  # where bars begin
RIGHT = 110  # room for the figure after the longest bar
ROW = 26
BAR = 16
TOP = 56

#: role: (title, class of its bars)
ROLES = {"server": ("server", "a"), "proxy": ("nginx in front", "b"), "redis": ("Redis", "c")}

# GitHub and browsers apply the reader's colour scheme inside an image too.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.note { font-size: 12px; fill: #57606a }
.ours { font-weight: 600 }
.a { fill: #0969da } .b { fill: #8250df } .c { fill: #bf5b04 }
line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .a { fill: #4493f8 } .b { fill: #ab7df8 } .c { fill: #f0883e }
  line { stroke: #3d444d }
}
"""


def is_ours(name):
    return name == "constant" or name.startswith((
        "count on", "busy polling", "with tokens", "tokens not used", "hit with visitors", "journal", "nginx + 3 visitcountd"))


def text(x, y, content, kind="", anchor="start"):
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(content)}</text>'


def bar(y, name, figures, us_per_pixel):
    """A row: the name, a part for each role, and the sum."""
    parts = [text(LEFT - 8, y + 13, name, "ours" if is_ours(name) else "", "end")]
    x = LEFT
    for role, (_, kind) in ROLES.items():
        width = figures[f"{role}_us"] / us_per_pixel
        if width > 0:
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" class="{kind}"/>')
            x += width
    figure = figures["cpu_us"]
    parts.append(text(x + 6, y + 13, f"{figure:.1f}" if figure < 100 else f"{figure:.0f}",
                      "ours" if is_ours(name) else ""))
    return parts


def legend(y):
    parts, x = [], LEFT
    for title, kind in ROLES.values():
        parts += [f'<rect x="{x}" y="{y - 10}" width="11" height="11" class="{kind}"/>',
                  text(x + 16, y, title, "note")]
        x += 34 + 7 * len(title)
    return parts


def draw(direct, systems, note):
    """The text of the SVG file. `direct` and `systems` are medians by target."""
    groups = [sorted(group.items(), key=lambda item: item[1]["cpu_us"]) for group in (direct, systems) if group]
    longest = max(figures["cpu_us"] for group in groups for _, figures in group)
    us_per_pixel = longest / (WIDTH - LEFT - RIGHT)
    parts = [text(12, 22, "CPU time per visit, in microseconds: less is better", "title"), *legend(42)]
    y = TOP
    for number, group in enumerate(groups):
        if number:
            parts.append(f'<line x1="12" x2="{WIDTH - 12}" y1="{y + 4}" y2="{y + 4}"/>')
            y += 14
        for name, figures in group:
            parts += bar(y, name, figures, us_per_pixel)
            y += ROW
    parts.append(text(12, y + 14, note, "note"))
    height = y + 26
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="CPU time per visit">\n<style>{STYLE}</style>\n'
            + "\n".join(parts) + "\n</svg>\n")
