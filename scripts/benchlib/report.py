"""The results as one HTML file that needs nothing beside it: tables, plots, machine, commands."""
import html
import re

from benchlib import figures, progress, summary

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Forebay benchmark, {date}</title>
<style>
body {{ font: 15px/1.5 sans-serif; color: #222; background: #fff; max-width: 60em; margin: 2em auto; padding: 0 1em }}
h1 {{ font-size: 1.5em }} h2 {{ font-size: 1.2em; margin-top: 2.5em; border-top: 1px solid #ccc; padding-top: .8em }}
table {{ border-collapse: collapse; margin: .8em 0 }}
th, td {{ padding: .15em .8em .15em 0; text-align: left; vertical-align: top }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }}
tr.group th {{ padding-top: .9em; border-bottom: 1px solid #ccc }}
tr.ratio td {{ color: #444; font-style: italic }}
.noisy {{ color: #a33000 }} .warning {{ border-left: 4px solid #d55e00; padding-left: .8em }}
svg {{ max-width: 100%; height: auto; display: block; margin: 1em 0 }}
pre {{ background: #f5f5f5; padding: .6em; overflow-x: auto; font-size: 13px }}
nav a {{ margin-right: 1em }}
</style>
</head>
<body>
<h1>Forebay benchmark</h1>
<p>{date}, {seconds}, {status}. <code>{command}</code></p>
{warnings}
<nav>{links}</nav>
{glance}
<h2 id="setting">What was compared, on what, and how</h2>
{setting}
{cases}
</body>
</html>
"""
CASE = """\
<h2 id="{name}">{name}: {title}</h2>
{status}{notes}{plots}{figures}{commands}
"""


def esc(value):
    return html.escape(str(value))


def table(head, rows):
    """Rows of cells that are HTML already."""
    lines = ["<table>"]
    if head:
        lines.append("<tr>%s</tr>" % "".join("<th>%s</th>" % cell for cell in head))
    lines += ["<tr>%s</tr>" % "".join("<td>%s</td>" % cell for cell in row) for row in rows]
    return "\n".join(lines + ["</table>"])


def setting(results):
    """The machine, who took part, what measured."""
    facts = [(esc(name.replace("_", " ")), esc(value)) for name, value in results["machine"].items()]
    facts += [("revision", esc(results["revision"])), ("workers of each server", esc(results["workers"])),
              ("seconds of each load", esc(results["load_seconds"]))]
    facts += [(esc(name), esc(value)) for name, value in results["tools"].items()]
    peers = [(esc(p["name"]), esc(p["version"] or p["why"]), esc(p["about"])) for p in results["peers"]]
    return "\n".join([
        table(None, facts), table(("server", "version, or why it takes no part", ""), peers),
        "<p>Each round measures every server in turn, another one first each time; ratios are taken round by "
        "round. Figures are medians; the smallest and the largest round stand beside them. Spreads over %s "
        "are marked as noisy. CPU time is user and system time of all threads of the server. Latencies at a "
        "fixed pace count from the moment a request was meant to be sent. The load generators run on the same "
        "machine.</p>" % esc(summary.share(figures.NOISY))])


def figure_row(row):
    """One line of a table of figures."""
    spread = "" if row["spread"] is None else "%.0f&nbsp;%%" % (100 * row["spread"])
    return '<tr class="%s"><td>%s</td><td>%s</td><td class="n">%s</td><td>%s</td><td class="n">%s</td>' \
        '<td class="n">%s</td><td class="n %s">%s</td><td class="n">%d</td></tr>' % (
            row["kind"], esc(row["at"]), esc(row["subject"]), summary.number(row["median"]), esc(row["unit"]),
            summary.number(row["min"]), summary.number(row["max"]), "noisy" if row["noisy"] else "", spread,
            row["rounds"])


def figure_table(rows):
    """All figures of a case, by measure."""
    if not rows:
        return ""
    lines = ['<table><tr><th></th><th></th><th class="n">median</th><th></th><th class="n">least</th>'
             '<th class="n">most</th><th class="n">spread</th><th class="n">rounds</th></tr>']
    for measure in summary.listed(rows):
        found = [row for row in rows if row["measure"] == measure]
        lines.append('<tr class="group"><th colspan="8">%s</th></tr>' % esc(summary.title(found[0])))
        lines += map(figure_row, found)
    return "\n".join(lines + ["</table>"])


def inlined(path):
    """The SVG element of a file, its identifiers made its own."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    name = re.sub(r"\W", "_", path.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    text = text[text.index("<svg"):]
    return re.sub(r"(id=['\"]|#)(gp\w+)", r"\g<1>%s_\g<2>" % name, text)


def glance(results):
    """The ratios that a reader looks for first."""
    found = summary.headlines(results)
    rows = [(esc(case), esc(row["title"]), esc(row["at"]), esc(row["subject"]),
             "<b>%s</b>" % summary.number(row["median"]),
             summary.extent(row),
             '<span class="noisy">noisy</span>' if row["noisy"] else "") for case, row in found]
    return '<h2 id="glance">At a glance: ratios, less than 1 is less for %s</h2>\n%s' % (
        figures.OURS, table(None, rows)) if rows else ""


def details(title, text):
    return "<details><summary>%s</summary><pre>%s</pre></details>" % (esc(title), esc(text))


def case_html(case, images):
    """One section."""
    status = case["status"]
    return CASE.format(
        name=esc(case["name"]), title=esc(case["title"]),
        status="" if status == "complete" else '<p class="warning">%s</p>' % esc(status),
        notes="<ul>%s</ul>" % "".join("<li>%s</li>" % esc(note) for note in case["notes"]) if case["notes"] else "",
        plots="\n".join(inlined(path) for path in images), figures=figure_table(case["figures"]),
        commands="\n".join(
            ([details("Commands", "\n".join(case["commands"]))] if case["commands"] else [])
            + [details("Configuration of " + name, text) for name, text in case["configurations"].items()]))


def write(results, images):
    """The whole page; images: paths of SVG files by case."""
    return PAGE.format(
        date=esc(results["date"]), seconds=esc(progress.span(results["seconds"])), status=esc(results["status"]),
        command=esc(results["command"]), setting=setting(results), glance=glance(results),
        warnings="\n".join('<p class="warning">%s</p>' % esc(text) for text in results["warnings"]),
        links="".join('<a href="#%s">%s</a>' % (esc(c["name"]), esc(c["name"])) for c in results["cases"]),
        cases="\n".join(case_html(case, images.get(case["name"], [])) for case in results["cases"]))
