"""The drawings."""

from xml.etree import ElementTree as ET

from benchmarks.svg import Bar, Bars, Lines, bars, lines

_SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - drawn by the test itself


def test_bars_are_as_long_as_their_values() -> None:
    """The shortest comes first, lengths keep the ratio, ours is marked, and text is escaped."""
    drawn = bars([Bars("user(id)", "µs", [Bar("a & b", 400), Bar("ours", 100, ours=True)])], "CPU < time")
    root = parsed(drawn)
    first, second = root.iter(f"{_SVG}rect")
    assert (first.get("class"), second.get("class")) == ("ours", "bar")
    assert float(second.get("width") or 0) == 4 * float(first.get("width") or 0)
    texts = [text.text for text in root.iter(f"{_SVG}text")]
    assert texts == ["user(id): µs", "ours", "100", "a & b", "400"]
    assert root.findtext(f"{_SVG}title") == "CPU < time"


def test_nothing_is_drawn_outside() -> None:
    """Bars without a length and bars of any size stay inside the picture."""
    root = parsed(bars([Bars("t", "u", [Bar("none", 0)]), Bars("t", "u", [Bar("most", 1e9)])], "d"))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for one in root.iter(f"{_SVG}rect"):
        assert float(one.get("x") or 0) + float(one.get("width") or 0) < width
        assert float(one.get("y") or 0) + float(one.get("height") or 0) < height


def test_lines_place_their_points_on_the_axes() -> None:
    """Equal steps on the axis are equal distances: of values, or of their logarithms."""
    points = [(1.0, 0.0), (10.0, 50.0), (100.0, 100.0)]
    places = []
    for logarithmic in (False, True):
        root = parsed(lines([Lines("t", "users", {"ours": points}, logarithmic)], "d"))
        dots = [one for one in root.iter(f"{_SVG}circle") if one.get("r") == "3"]
        places.append([(float(one.get("cx") or 0), float(one.get("cy") or 0)) for one in dots])
    (a, b, c), (d, e, f) = places
    assert b[0] - a[0] < (c[0] - b[0]) / 9
    assert round(e[0] - d[0], 1) == round(f[0] - e[0], 1)
    assert round(a[1] - b[1], 1) == round(b[1] - c[1], 1) > 0


def test_both_kinds_of_page() -> None:
    """Colours for light and for dark pages are in the file itself."""
    assert "prefers-color-scheme: dark" in bars([], "d")
