"""SVG drawings of bars and lines."""

from xml.etree import ElementTree as ET

from benchmarks.svg import Bar, Bars, Lines, bars, lines

_SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - drawn by the test itself


def test_bars_are_as_long_as_their_values() -> None:
    """The shortest bar is first, lengths are proportional, the bar of the gateway is marked, and text is escaped."""
    drawn = bars([Bars("user(id)", "µs", [Bar("a & b", 400), Bar("ours", 100, ours=True)])], "CPU < time")
    root = parsed(drawn)
    first, second = root.iter(f"{_SVG}rect")
    assert (first.get("class"), second.get("class")) == ("ours", "bar")
    assert float(second.get("width") or 0) == 4 * float(first.get("width") or 0)
    texts = [text.text for text in root.iter(f"{_SVG}text")]
    assert texts == ["user(id): µs", "ours", "100", "a & b", "400"]
    assert root.findtext(f"{_SVG}title") == "CPU < time"


def test_nothing_is_drawn_outside() -> None:
    """Bars of length zero and of any size stay inside the drawing."""
    root = parsed(bars([Bars("t", "u", [Bar("none", 0)]), Bars("t", "u", [Bar("most", 1e9)])], "d"))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for element in root.iter(f"{_SVG}rect"):
        assert float(element.get("x") or 0) + float(element.get("width") or 0) < width
        assert float(element.get("y") or 0) + float(element.get("height") or 0) < height


def test_points_are_drawn_on_the_axes() -> None:
    """Distances on the x axis are proportional to the values, or to their logarithms."""
    points = [(1.0, 0.0), (10.0, 50.0), (100.0, 100.0)]
    coordinates = []
    for logarithmic in (False, True):
        root = parsed(lines([Lines("t", "users", {"ours": points}, logarithmic)], "d"))
        dots = [element for element in root.iter(f"{_SVG}circle") if element.get("r") == "3"]
        coordinates.append([(float(element.get("cx") or 0), float(element.get("cy") or 0)) for element in dots])
    (a, b, c), (d, e, f) = coordinates
    assert b[0] - a[0] < (c[0] - b[0]) / 9
    assert round(e[0] - d[0], 1) == round(f[0] - e[0], 1)
    assert round(a[1] - b[1], 1) == round(b[1] - c[1], 1) > 0


def test_both_kinds_of_page() -> None:
    """The drawing has colours for light and for dark pages."""
    assert "prefers-color-scheme: dark" in bars([], "d")
