"""Report: the one table that `explain()`, `benchmark()` and the command line all hand back.

A report is data first (a title, column names, rows of plain values, notes), so that a program can read
it; text, Markdown and HTML are only views of that data. Nothing here measures or decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Cell = str | bool | int | float | None
"""What one cell of a report may hold; None says "does not apply" and is shown as "-"."""


@dataclass(frozen=True)
class Report:
    """A table of results that prints itself and hands out its data.

    Parameters
    ----------
    title : str
        One line that says what the table is about.
    columns : sequence of str
        The column names in the order of display. Units belong into the names (`median_us`).
    rows : sequence of mappings from str to str, bool, int, float or None
        One mapping a row. A column that a row leaves out is None. NumPy scalars become Python ones.
    notes : sequence of str, optional
        Whole sentences shown below the table: what was left out, and how figures were taken.

    Raises
    ------
    ValueError
        When a row has a key that is not a column, or a column is named twice.
    TypeError
        When a cell is not a plain value.

    Examples
    --------
    >>> rows = [{"layer": "fc1", "format": "csr", "speedup": 6.25}, {"layer": "fc2", "format": "dense"}]
    >>> report = Report("two layers", ["layer", "format", "speedup"], rows, notes=["fc2 has too few zeros."])
    >>> print(report)
    two layers
    <BLANKLINE>
    layer  format  speedup
    -----  ------  -------
    fc1    csr        6.25
    fc2    dense         -
    <BLANKLINE>
    note: fc2 has too few zeros.
    >>> [row["format"] for row in report]
    ['csr', 'dense']
    """

    title: str
    columns: list[str]
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        notes: Sequence[str] = (),
    ) -> None:
        """Check and copy what came, so that later changes to it do not reach the report."""
        names = list(columns)
        if len(set(names)) != len(names):
            raise ValueError(f"the columns of a report must differ, but came as {names}: rename one of them")
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "columns", names)
        object.__setattr__(self, "rows", [_complete(row, names) for row in rows])
        object.__setattr__(self, "notes", list(notes))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __str__(self) -> str:
        """Return the report as an aligned text table."""
        header, *body = self._texts()
        widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
        rule = ["-" * width for width in widths]
        table = (
            "  ".join(
                text.rjust(width) if numeric else text.ljust(width)
                for text, width, numeric in zip(line, widths, self._numeric(), strict=True)
            ).rstrip()
            for line in [header, rule, *body]
        )
        return _paragraphs(self.title, "\n".join(table), "\n".join(f"note: {note}" for note in self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Return title, columns, rows and notes as plain lists and dicts, ready for `json.dump`."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [dict(row) for row in self.rows],
            "notes": list(self.notes),
        }

    def to_markdown(self) -> str:
        """Return the report as a Markdown table between its title in bold and its notes."""
        header, *body = [[text.replace("|", "\\|") for text in line] for line in self._texts()]
        rule = ["---:" if numeric else "---" for numeric in self._numeric()]
        table = "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])
        return _paragraphs(f"**{self.title}**", table, "\n".join(f"- {note}" for note in self.notes))

    def _repr_html_(self) -> str:
        """Return the report as an HTML table (notebooks call this); every text is escaped."""
        import html  # only here: its table of entities would double what this file costs to import

        styles = [' style="text-align: right"' if numeric else "" for numeric in self._numeric()]

        def line(tag: str, texts: list[str]) -> str:
            cells = zip(styles, texts, strict=True)
            return "<tr>" + "".join(f"<{tag}{style}>{html.escape(t)}</{tag}>" for style, t in cells) + "</tr>"

        header, *body = self._texts()
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead>{line('th', header)}</thead>"
            f"<tbody>{''.join(line('td', texts) for texts in body)}</tbody></table>"
            + "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        )

    def _texts(self) -> list[list[str]]:
        """Return every cell as shown, the header line first."""
        header = [column.replace("_", " ") for column in self.columns]
        return [header, *([_shown(row[column]) for column in self.columns] for row in self.rows)]

    def _numeric(self) -> list[bool]:
        """Tell for each column whether it holds numbers only, which stand to the right."""
        return [
            any(row[column] is not None for row in self.rows)
            and not any(isinstance(row[column], str | bool) for row in self.rows)
            for column in self.columns
        ]


def _paragraphs(*texts: str) -> str:
    """Return the texts that are not empty, a blank line between them."""
    return "\n\n".join(text for text in texts if text.strip())


def _complete(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Cell]:
    """Return `row` with every column present, in order, and only plain values."""
    unknown = [key for key in row if key not in columns]
    if unknown:
        raise ValueError(f"a row has {unknown}, but the columns are {list(columns)}: name all of them there")
    return {column: _plain(row.get(column), column) for column in columns}


def _plain(value: Any, column: str) -> Cell:
    """Return `value` as a plain Python value; NumPy scalars know how to convert themselves."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, str | bool | int | float | None):
        return plain
    raise TypeError(
        f"column {column!r} holds a {type(value).__name__}, but cells are str, bool, int, float or None: "
        "convert it first, for example with str()"
    )


def _shown(value: Cell) -> str:
    """Return a cell as text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, int):
        return f"{value:,}"
    return _shown_float(value)


def _shown_float(value: float) -> str:
    """Return a float with three significant digits: more than most timings deserve."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
