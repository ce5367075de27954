"""Tables, figures and sections as HTML, for the parts of the report."""
from charts import amount


def table(head, rows):
    cells = lambda tag, row: ''.join(f'<{tag}>{c}</{tag}>' for c in row)  # noqa: E731
    return ('<div class="scroll"><table><tr>' + cells('th', head) + '</tr>'
            + ''.join(f'<tr>{cells("td", row)}</tr>' for row in rows) + '</table></div>')


def figure(content, caption=''):
    return f'<figure>{content}{f"<figcaption>{caption}</figcaption>" if caption else ""}</figure>'


def folded(summary, content):
    return f'<details><summary>{summary}</summary>{content}</details>'


def with_half(f, form=None, missed=False):
    """'1.23 µs ± 10 ns': the median, and half of what the middle half of the runs spans, unless there was one run only."""
    form = form or (lambda value: amount(value, f['unit']))
    shown = f'<span class="miss">{form(f["median"])}</span>' if missed else form(f['median'])
    if len(f['runs']) < 2:
        return shown
    return f'{shown} <span class="pm">± {form((f["quartiles"][1] - f["quartiles"][0]) / 2)}</span>'
