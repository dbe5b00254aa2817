# SPDX-License-Identifier: MIT
"""What entries look like: the names and values of their fields, in turn. No byte may be 0: they are arguments."""
import json
import random

TWELVE = {"event": "order.placed", "order": "o-204817", "customer": "Jörg Müller", "city": "Łódź", "country": "PL",
          "total": "129,90 €", "currency": "EUR", "items": "3", "note": "bitte klingeln – 3. Stock", "lang": "de",
          "source": "web", "at": "2024-06-01T12:00:00Z"}

DOCUMENT = {"order": {"id": "o-204817", "customer": {"name": "Jane Doe", "email": "jane@example.org"},
                      "items": [{"sku": "A-1001", "quantity": 2, "price": 19.9},
                                {"sku": "B-2002", "quantity": 1, "price": 5.49}],
                      "address": {"street": "1 Main Street", "city": "Springfield"}, "paid": True,
                      "note": "call before delivery"}, "version": 3}

# No UTF-8, as an image is none.
BINARY = bytes(random.Random(1).choices(range(1, 256), k=64 * 1024))

SHAPES = {
    "small": [f"{kind}0000{i}" for i in range(1, 6) for kind in ("field", "value")],
    "large": ["payload", "x" * 1024],
    "twelve": [text for pair in TWELVE.items() for text in pair],
    "document": ["document", json.dumps(DOCUMENT).ljust(300)],
    "text": ["blob", "All work and no play. " * 2979],
    "binary": ["blob", BINARY],
    "escaped": [text for i in range(4) for text in (f'"\\name\\"{i}', '"\\\n\t\x01\x02\x1f\\' * 8)],
}


def encoded(word):
    return word if isinstance(word, bytes) else str(word).encode()


def size(shape):
    """Bytes of the names and values of an entry."""
    return sum(len(encoded(word)) for word in SHAPES[shape])
