"""What a country wants to know of whoever rents a number there, and the documents: checked, and kept as files.

Documents lie under the data directory, each in a file that only the engine's user can read.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.billing.prices import Kyc
from engine.errors import FieldError, ValidationFailed
from engine.ids import new_uuid

FOLDER: Final = "kyc"
DOCUMENT_BYTES: Final = 5 << 20
"""The largest document (contract §15.2)."""

DOCUMENTS_AT_ONCE: Final = 10
BODY_BYTES: Final = 32 << 20
"""The largest body that carries documents, in base64: some four of the largest, or more smaller ones."""

SIGNATURES: Final[Mapping[str, bytes]] = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
}
"""The content types that are taken, and what a file of each begins with."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it was sent."""

    name: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A document whose file is written."""

    id: str
    document: NewDocument
    sha256: str


def check_answers(kyc: Kyc, fields: Mapping[str, str], documents: Sequence[NewDocument], at: str = "") -> None:
    """Raises ValidationFailed for what the country does not ask for, and for documents that are no such file.

    `at` comes before each field's path.
    """
    known_fields = {field.name for field in kyc.fields}
    known_documents = {field.name for field in kyc.documents}
    errors = [
        FieldError(f"{at}fields.{name}", "is not asked for in this country")
        for name in fields
        if name not in known_fields
    ]
    seen: set[str] = set()
    for index, document in enumerate(documents):
        path = f"{at}documents.{index}"
        if document.name not in known_documents:
            errors.append(FieldError(f"{path}.name", "is not asked for in this country"))
        if document.name in seen:
            errors.append(FieldError(f"{path}.name", "is there twice"))
        seen.add(document.name)
        if not document.data or len(document.data) > DOCUMENT_BYTES:
            errors.append(FieldError(f"{path}.dataBase64", f"must hold 1 to {DOCUMENT_BYTES} bytes"))
        elif not document.data.startswith(SIGNATURES[document.content_type]):
            errors.append(FieldError(f"{path}.dataBase64", f"must be {document.content_type}, as contentType says"))
    if errors:
        raise ValidationFailed(errors)


def missing_answers(kyc: Kyc, fields: Mapping[str, str], documents: Sequence[str]) -> list[str]:
    """The names of required fields and documents that are not there."""
    missing = [field.name for field in kyc.fields if field.required and not fields.get(field.name, "").strip()]
    return missing + [field.name for field in kyc.documents if field.required and field.name not in documents]


class DocumentFiles:
    """The files of documents under a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.joinpath(FOLDER)

    async def write(self, rental_id: str, documents: Sequence[NewDocument]) -> list[StoredFile]:
        """Writes the files, to be named in the store then or deleted."""
        return await asyncio.to_thread(self._write, rental_id, documents)

    def _write(self, rental_id: str, documents: Sequence[NewDocument]) -> list[StoredFile]:
        written: list[StoredFile] = []
        for document in documents:
            stored = StoredFile(new_uuid(), document, hashlib.sha256(document.data).hexdigest())
            path = self.path(rental_id, stored.id)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(document.data)
                opened.flush()
                os.fsync(opened.fileno())
            written.append(stored)
        return written

    async def delete(self, rental_id: str, ids: Sequence[str]) -> None:
        """Deletes files, if they are there."""
        for document_id in ids:
            await asyncio.to_thread(self.path(rental_id, document_id).unlink, missing_ok=True)

    def path(self, rental_id: str, document_id: str) -> Path:
        """Where the file of a document lies."""
        return self._folder.joinpath(rental_id, document_id)
