#!/usr/bin/env python3
"""Writes characters.txt and ../Html/entities.txt: the character facts that the tokenizer depends on, frozen at the versions that the
reference tokenizer was recorded with, so that no update of .NET's own Unicode tables can change a token id.

Run with Python 3.11 (Unicode 14.0: case, normalization, HTML names) and the package regex 2.5.123 (Unicode 15.0: letters, numbers).
"""
import html
import html.entities
import pathlib
import unicodedata

import regex

HERE = pathlib.Path(__file__).parent
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def runs(points):
    """[(first, last)] of the consecutive code points in an ascending list."""
    result = []
    for point in points:
        if result and result[-1][1] == point - 1:
            result[-1][1] = point
        else:
            result.append([point, point])
    return result


def span(first, last):
    return f"{first:X}" if first == last else f"{first:X}-{last:X}"


def matching(pattern):
    compiled = regex.compile(pattern)
    return [c for c in CODE_POINTS if compiled.fullmatch(chr(c))]


def is_cased(character):
    # A sigma is final only behind a cased letter: Python's own lower() tells which characters are cased, and which are ignored.
    return (character + "\u03a3").lower().endswith("\u03c2")


def is_ignorable(character):
    return ("a" + character + "\u03a3").lower().endswith("\u03c2") and not is_cased(character)


def lower_runs():
    mapped = [(c, ord(chr(c).lower()) - c) for c in CODE_POINTS if len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
    result = []
    for point, distance in mapped:
        for step in (1, 2):
            last = result[-1] if result else None
            if last and last[3] == distance and last[1] == point - step and last[2] in (None, step):
                last[1], last[2] = point, step
                break
        else:
            result.append([point, point, None, distance])
    return result


def combining_runs():
    result = []
    for point in CODE_POINTS:
        order = unicodedata.combining(chr(point))
        if not order:
            continue
        if result and result[-1][1] == point - 1 and result[-1][2] == order:
            result[-1][1] = point
        else:
            result.append([point, point, order])
    return result


def decompositions():
    for point in CODE_POINTS:
        decomposition = unicodedata.decomposition(chr(point))
        if not decomposition or decomposition.startswith("<"):
            continue
        parts = decomposition.split()
        composes = unicodedata.normalize("NFC", "".join(chr(int(p, 16)) for p in parts)) == chr(point)
        yield f"{point:X} {'=' if composes else '>'} {' '.join(p.lstrip('0') for p in parts)}"


def widths():
    for point in [0x3000, *range(0xFF01, 0xFFF0)]:
        standard = unicodedata.normalize("NFKC", chr(point))
        if standard != chr(point):
            yield f"{point:X} {' '.join(f'{ord(c):X}' for c in standard)}"


def characters():
    yield "# Made by make_tables.py. Hexadecimal code points; letters and numbers of Unicode 15.0, everything else of Unicode 14.0."
    yield "[letter]"
    yield from (span(*r) for r in runs(matching(r"\p{L}")))
    yield "[number]"
    yield from (span(*r) for r in runs(matching(r"\p{N}")))
    yield "[lower]"
    for first, last, step, distance in lower_runs():
        yield f"{span(first, last)}{'/2' if step == 2 else ''} {distance:+d}"
    yield "[cased]"
    yield from (span(*r) for r in runs([c for c in CODE_POINTS if is_cased(chr(c))]))
    yield "[ignorable]"
    yield from (span(*r) for r in runs([c for c in CODE_POINTS if is_ignorable(chr(c))]))
    yield "[combining]"
    for first, last, order in combining_runs():
        yield f"{span(first, last)} {order}"
    yield "[decomposition]"
    yield from decompositions()
    yield "[width]"
    yield from widths()


def entities():
    """NAME of the HTML standard with its code points; '^' marks names that ftfy reads besides: a lower-case name in capitals."""
    yield "# Made by make_tables.py: the character references of the HTML standard, and (^) those that ftfy reads in capitals."
    for name, text in sorted(html.entities.html5.items()):
        yield f"{name} {' '.join(f'{ord(c):X}' for c in text)}"
    for name, text in sorted(html.entities.html5.items()):
        capitals = "&" + name.upper()
        if name.endswith(";") and name == name.lower() and html.unescape(capitals) == capitals:
            yield f"^{name.upper()} {' '.join(f'{ord(c):X}' for c in text.upper())}"


(HERE / "characters.txt").write_text("\n".join(characters()) + "\n", encoding="ascii")
(HERE.parent / "Html" / "entities.txt").write_text("\n".join(entities()) + "\n", encoding="ascii")
