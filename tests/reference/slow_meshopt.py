"""meshopt's three bitstreams by the extension's text, element by element in plain Python: twins of the compiled
decoders. FIFOs are lists with the newest entry first."""

from __future__ import annotations


def attributes_by_the_book(data: bytes, stride: int, count: int) -> bytes:
    """Mode 0, versions 0 and 1."""
    version = data[0] & 1
    channels = data[len(data) - stride // 4 :] if version else bytes(stride // 4)
    before = data[len(data) - stride - len(channels) * version :][:stride]
    last, at, rows = list(before), 1, list[bytes]()
    most = min(8192 // stride // 16 * 16, 256)
    while len(rows) < count:
        size = min(count - len(rows), most)
        widths = [[0, 2, 4, 8]] * stride
        if version:
            sets = [[0, 1, 2, 4], [1, 2, 4, 8], [0], [8]]
            widths = [sets[data[at + k // 4] >> 2 * (k % 4) & 3] for k in range(stride)]
            at += stride // 4
        columns = []
        for choice in widths:
            codes, at = _column(data, at, choice, size)
            columns.append(codes)
        for i in range(size):
            for c in range(stride // 4):
                code = [columns[4 * c + k][i] for k in range(4)]
                last[4 * c : 4 * c + 4] = _joined(last[4 * c : 4 * c + 4], code, channels[c])
            rows.append(bytes(last))
    return b"".join(rows)


def _column(data: bytes, at: int, widths: list[int], size: int) -> tuple[list[int], int]:
    if len(widths) == 1:
        return ([0] * size, at) if widths == [0] else (list(data[at : at + size]), at + size)
    groups = -(-size // 16)
    modes = [data[at + g // 4] >> 2 * (g % 4) & 3 for g in range(groups)]
    at, codes = at + -(-groups // 4), list[int]()
    for mode in modes:
        width = widths[mode]
        packed = data[at : at + 2 * width]
        bits = [f"{byte:08b}"[::-1] if width == 1 else f"{byte:08b}" for byte in packed]
        text = "".join(bits)
        values = [int(text[n * width : (n + 1) * width], 2) if width else 0 for n in range(16)]
        at += len(packed)
        for n, value in enumerate(values):
            if width in (1, 2, 4) and value == (1 << width) - 1:
                values[n], at = data[at], at + 1
        codes += values
    return codes[:size], at


def _joined(last: list[int], code: list[int], channel: int) -> list[int]:
    if channel & 15 == 2:
        word = int.from_bytes(bytes(code), "little")
        turned = (word << (channel >> 4) | word >> 32 - (channel >> 4)) % 2**32
        return list((int.from_bytes(bytes(last), "little") ^ turned).to_bytes(4, "little"))
    width, out = 1 + channel, list[int]()
    for k in range(0, 4, width):
        delta = int.from_bytes(bytes(code[k : k + width]), "little")
        signed = delta // 2 if delta % 2 == 0 else -(delta + 1) // 2
        value = (int.from_bytes(bytes(last[k : k + width]), "little") + signed) % 256**width
        out += value.to_bytes(width, "little")
    return out


class _Varints:
    """The numbers behind the codes of modes 1 and 2, each relative to one before."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        byte = self.byte()
        return byte if byte < 128 else byte - 128 + 128 * self.number()

    def step(self) -> int:
        value = self.number()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2


def triangles_by_the_book(data: bytes, count: int) -> list[int]:
    """Mode 1: `count` indices."""
    stream, table = _Varints(data, 1 + count // 3), data[-16:]
    edges: list[tuple[int, int]] = []
    corners: list[int] = []
    following = last = 0
    out: list[int] = []

    def fresh() -> int:
        nonlocal following
        following += 1
        return following - 1

    def explicit() -> int:
        nonlocal last
        last += stream.step()
        return last

    for code in data[1 : 1 + count // 3]:
        high, low = divmod(code, 16)
        if high < 15:
            a, b = edges[high]
            if 1 <= low <= 12:
                c = corners[low]
            else:
                if low in (13, 14):
                    last += {13: -1, 14: 1}[low]
                c = fresh() if low == 0 else last if low < 15 else explicit()
                corners.insert(0, c)
        else:
            free = low >= 14
            pair = stream.byte() if free else table[low]
            if free and pair == 0:
                following = 0
            a = explicit() if low == 15 else fresh()
            names = divmod(pair, 16)
            ends: list[int] = []
            for name in names:
                ends.append(fresh() if name == 0 else explicit() if name == 15 and free else corners[name - 1])
            b, c = ends
            corners.insert(0, a)
            for name, end in zip(names, ends, strict=True):
                if name in (0, 15):
                    corners.insert(0, end)
            edges.insert(0, (b, a))
        edges[:0] = [(a, c), (c, b)]
        del edges[16:], corners[16:]
        out += [a, b, c]
    return out


def indices_by_the_book(data: bytes, count: int) -> list[int]:
    """Mode 2: `count` indices."""
    stream, bases, out = _Varints(data, 1), [0, 0], list[int]()
    for _ in range(count):
        value = stream.number()
        delta = value // 2
        bases[value % 2] += delta // 2 if delta % 2 == 0 else -(delta + 1) // 2
        out.append(bases[value % 2] % 2**32)
    return out
