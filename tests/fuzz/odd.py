"""Values that nobody expects in the place of a good one."""

from random import Random
from typing import Any

NUMBERS: tuple[int | float, ...] = (
    *(
        0,
        -1,
        1,
        2,
        255,
        65536,
        2**31 - 1,
        2**31,
        -(2**31),
        2**32,
        2**53 + 1,
        2**63 - 1,
        2**63,
        -(2**63),
        2**64,
    ),
    *(10**30, 10**400, 0.1, -0.5, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
)
STRINGS = (
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "~",
        "-",
        "--help",
        "a/b",
        "../../bystander",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/mem",
    ),
    *(
        "null",
        "true",
        "NaN",
        "0x10",
        "1e999",
        "9" * 5000,
        "a" * 5000,
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\0",
        "a\0b",
        "\x7f",
    ),
    *(
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x9b2J",
        "\x08" * 9,
        "\u202egpj.exe",
        "\u2066x\u2069",
        "\u200b",
    ),
    *(
        "\x85",
        "a\u2028b",
        "\ufeff",
        "\ufffe",
        "\ud800",
        "e\u0301" * 50,
        "\U0001f600",
        "\u0660",
        "İ",
        "ß" * 200,
    ),
    *(
        "[red]x[/red]",
        "[/]",
        "[link=file:///etc/passwd]x[/link]",
        "<script>alert(1)</script>",
        "=1+1",
        "{{7*7}}",
    ),
    *(
        "%s%n",
        "$(id)",
        "`id`",
        "|",
        "s3://",
        "s3://a b/c",
        "s3://bucket/key",
        "file:///etc/passwd",
        "run:little",
    ),
    *(
        "run:little@99",
        "runs/little",
        "images",
        "dataset",
        "net.prototxt",
        "net.caffemodel",
        "spec.yaml",
        "list.txt",
    ),
)
BYTES = (
    b"\0",
    b"\xff" * 8,
    b"\x80",
    b"\r",
    b"\n\n",
    b"\x1b[2J",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x7f\xff\xff\xff",
)


def number(rng: Random) -> int | float:
    return rng.choice(NUMBERS)


def string(rng: Random) -> str:
    return rng.choice(STRINGS)


def value(rng: Random) -> Any:
    """Return anything that JSON and YAML can hold."""
    match rng.randrange(8):
        case 0 | 1:
            return number(rng)
        case 2 | 3:
            return string(rng)
        case 4:
            return rng.choice((None, True, False, [], {}, [[]], [None], {"": None}, [{}]))
        case 5:
            return (
                [value(rng) for _ in range(rng.choice((1, 2, 3, 1000)))]
                if rng.random() < 0.5
                else [1] * 100_000
            )
        case 6:
            return {string(rng): value(rng) for _ in range(3)}
    return nested(rng)


def nested(rng: Random) -> Any:
    """Return lists or objects in each other, as deep as JSON can still be written."""
    made: Any = None
    for _ in range(rng.choice((10, 33, 100, 230, 900))):
        made = [made] if rng.random() < 0.5 else {"a": made}
    return made
