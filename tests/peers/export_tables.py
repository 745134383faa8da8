"""Reads the CSV that emhost exports: what is quoted is text, what is not is a number, a truth value, or nothing."""


def read(path):
    """Columns by name: lists of str, int, float, bool or None."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    rows, row, at = [], [], 0
    while at < len(text):
        if text[at] == '"':
            parts, at = [], at + 1
            while True:
                end = text.index('"', at)
                parts.append(text[at:end])
                if text[end + 1 : end + 2] != '"':
                    break
                parts.append('"')
                at = end + 2
            row.append("".join(parts))
            at = end + 1
        else:
            end = at
            while text[end] not in ",\n":
                end += 1
            row.append(bare(text[at:end]))
            at = end
        if text[at] == "\n":
            rows.append(row)
            row = []
        elif at + 1 < len(text) and text[at + 1] == "\n":
            row.append(None)
            at += 1
            rows.append(row)
            row = []
        at += 1
    assert all(len(row) == len(rows[0]) for row in rows), "every row has every column"
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}


def bare(text):
    if text == "":
        return None
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return float(text)


def same(a, b):
    """Equal numbers, to the bit, and NaN equal to NaN."""
    if isinstance(a, float) and isinstance(b, float) and a != a and b != b:
        return True
    return a == b
