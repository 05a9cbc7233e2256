"""The generated pages about the language: a page a verb, the schema, the comparison with TwiML.

`python -m voyloml.reference` writes them to `docs/`; a test fails when they are not what the verb table says.
"""

from __future__ import annotations

from collections.abc import Mapping

from voyloml.compatibility import compatibility_page
from voyloml.reference.page import index_page, verb_page
from voyloml.verbs import ELEMENTS
from voyloml.xsd import schema


def pages() -> Mapping[str, str]:
    """Every generated file, by its path below `docs/`."""
    verbs = [spec for spec in ELEMENTS if spec.verb]
    return {
        "voyloml.xsd": schema(),
        "twiml-compatibility.md": compatibility_page(),
        "voyloml/index.md": index_page(verbs),
        **{f"voyloml/{spec.name.lower()}.md": verb_page(spec) for spec in verbs},
    }
