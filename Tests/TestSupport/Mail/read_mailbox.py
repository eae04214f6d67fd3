"""Reads the mails of a folder with Python's own parser, which shares nothing with what wrote them, and prints them as JSON."""

import email
import email.policy
import html.parser
import json
import os
import re
import sys


class Text(html.parser.HTMLParser):
    """What a reader sees of an HTML body, and the tags that it has."""

    def __init__(self):
        super().__init__()
        self.shown = []
        self.tags = set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.shown.append(data)


def read_part(part):
    """A leaf of the message, decoded by what its headers say."""
    found = {
        "type": part.get_content_type(),
        "charset": part.get_content_charset(),
        "encoding": str(part["content-transfer-encoding"]),
        "text": part.get_content(),
    }
    if found["type"] == "text/html":
        reader = Text()
        reader.feed(found["text"])
        reader.close()
        found["shown"] = "".join(reader.shown)
        found["tags"] = sorted(reader.tags)
    return found


def read_mail(path):
    with open(path, "rb") as file:
        raw = file.read()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    names = [name.lower() for name in message.keys()]
    parts = list(message.walk())
    header_defects = [f"{name}: {defect!r}" for part in parts for name, value in part.items() for defect in value.defects]
    return {
        "from": [address.addr_spec for address in message["from"].addresses],
        "to": [address.addr_spec for address in message["to"].addresses],
        "envelope_to": str(message["envelope-to"]),
        "return_path": str(message["return-path"]),
        "subject": str(message["subject"]),
        "date": message["date"].datetime.timestamp(),
        "message_id": str(message["message-id"]),
        "mime_version": str(message["mime-version"]),
        "auto_submitted": str(message["auto-submitted"]),
        "type": message.get_content_type(),
        "once": sorted(name for name in set(names) if names.count(name) == 1),
        "defects": [repr(defect) for part in parts for defect in part.defects] + header_defects,
        "parts": [read_part(part) for part in parts if not part.is_multipart()],
        "subject_lines": len(re.search(rb"^Subject:.*\n(?:[ \t].*\n)*", raw, re.MULTILINE).group().splitlines()),
        "longest_line": max(len(line) for line in raw.split(b"\n")),
        "is_ascii": all(byte < 0x80 for byte in raw),
    }


folder = sys.argv[1]
print(json.dumps([read_mail(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]))
