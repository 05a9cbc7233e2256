"""Bodies of `/v1/rentals` and of the operator's review (contract §15.2)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from api.schemas.billing import Currency, MoneyOut, Note
from api.schemas.common import Input, Output, PageQuery
from api.schemas.fields import Country, PhoneNumber, TextRule, Timestamp, UuidOut, whole
from engine.billing.kyc import DOCUMENT_BYTES, DOCUMENTS_AT_ONCE, NewDocument
from engine.billing.prices import BOOK_KYC, CountryPrices
from engine.billing.rental_states import RentalStatus
from engine.store.rentals import Document, Rental

CHANNELS_MAX: Final = 1000
_BASE64_CHARS: Final = 4 * (DOCUMENT_BYTES // 3 + 1)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None


Base64 = Annotated[
    str,
    TextRule(
        f"must be base64 of at most {DOCUMENT_BYTES} bytes",
        _BASE64_CHARS,
        1,
        pattern="^[A-Za-z0-9+/]+={0,2}$",
        convert=_decoded,
    ),
]
KycName = Annotated[str, TextRule("must be 1 to 64 characters", 64, 1, pattern="^[^\\u0000-\\u001f\\u007f]+$")]
KycValue = Annotated[str, TextRule("must be at most 500 characters", 500, pattern="^[^\\u0000]*$")]
FileName = Annotated[
    str, TextRule("must be 1 to 120 characters, none of them a slash", 120, 1, pattern=r"^[^\u0000-\u001f\u007f/\\]+$")
]
AreaCode = Annotated[str, TextRule("must be 1 to 8 digits", 8, 1, pattern="^[0-9]+$", extra={"examples": ["4"]})]
Channels = Annotated[int, Field(strict=True, ge=1, le=CHANNELS_MAX), BeforeValidator(whole)]


class DocumentIn(Input):
    """A document; its content must be what `contentType` says."""

    name: KycName
    filename: FileName
    content_type: Literal["application/pdf", "image/jpeg", "image/png"]
    data_base64: Base64 = Field(alias="dataBase64")

    def new(self) -> NewDocument:
        """The document."""
        # The rule has decoded it
        data: Any = self.data_base64
        return NewDocument(self.name, self.filename, self.content_type, data)


class KycIn(Input):
    """Answers to what the country asks for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"fields": {"companyName": "Example Ltd"}}]})

    fields: dict[KycName, KycValue] = Field(default_factory=dict, max_length=BOOK_KYC)
    documents: list[DocumentIn] = Field(default_factory=list, max_length=DOCUMENTS_AT_ONCE)

    def files(self) -> list[NewDocument]:
        """The documents."""
        return [document.new() for document in self.documents]


class RentalCreate(Input):
    """What to rent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"country": "AE", "channels": 2}]})

    country: Country
    channels: Channels
    area_code: AreaCode | None = None
    kyc: KycIn | None = None


class RentalUpdate(Input):
    """What to change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"channels": 4}]})

    channels: Channels


class RentalQuery(PageQuery):
    """Parameters of the list of rentals."""

    status: RentalStatus | None = None


class RentalApproval(Input):
    """The number of an approved rental."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"e164": "+97142345678"}]})

    e164: PhoneNumber


class RentalNote(Input):
    """Why; the customer sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The trade licence has expired"}]})

    note: Note


class KycFieldOut(Output):
    """Something that the country asks for."""

    name: str
    label: str
    required: bool


class KycSpecOut(Output):
    """What the country asks for."""

    fields: list[KycFieldOut]
    documents: list[KycFieldOut]


class CountryOut(Output):
    """A country with numbers for rent; prices are of a month, rates of a minute."""

    country: str = Field(examples=["AE"])
    name: str
    did_price: MoneyOut
    channel_price: MoneyOut
    local_rate: MoneyOut
    international_rate: MoneyOut
    currency: Currency
    kyc: KycSpecOut

    @classmethod
    def of(cls, country: CountryPrices, currency: str) -> CountryOut:
        """The object of a country."""
        return cls(
            country=country.country,
            name=country.name,
            did_price=country.did_price,
            channel_price=country.channel_price,
            local_rate=country.local_rate,
            international_rate=country.international_rate,
            currency=currency,
            kyc=KycSpecOut.model_validate(country.kyc),
        )


class DocumentOut(Output):
    """A document that is there."""

    id: UuidOut
    name: str
    filename: str
    content_type: str
    size_bytes: int
    created_at: Timestamp

    @classmethod
    def of(cls, document: Document) -> DocumentOut:
        """The object of a document."""
        return cls.model_validate(document)


class RentalKycOut(Output):
    """The answers that are there, and the names of those that are missing."""

    fields: dict[str, str]
    documents: list[DocumentOut]
    missing: list[str]


class RentalOut(Output):
    """A rental; `note` is what the operator said last, `numberId` and the period are there once it is live."""

    id: UuidOut
    country: str
    area_code: str | None
    channels: int
    status: RentalStatus
    monthly_price: MoneyOut
    currency: Currency
    kyc: RentalKycOut
    note: str | None
    number_id: UuidOut | None
    e164: str | None
    period_start: Timestamp | None
    period_end: Timestamp | None
    released_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, rental: Rental, currency: str, missing: list[str]) -> RentalOut:
        """The object of a rental."""
        return cls(**rental_members(rental, currency, missing))


class ReviewedRentalOut(RentalOut):
    """A rental as the operator sees it."""

    account_id: str
    workspace_id: str

    @classmethod
    def of(cls, rental: Rental, currency: str, missing: list[str]) -> ReviewedRentalOut:
        """The object of a rental."""
        members = rental_members(rental, currency, missing)
        return cls(**members, account_id=rental.account_id, workspace_id=rental.workspace_id)


def rental_members(rental: Rental, currency: str, missing: list[str]) -> dict[str, Any]:
    """The members of a rental's object."""
    documents = [DocumentOut.of(document) for document in rental.documents]
    return {
        "id": rental.id,
        "country": rental.country,
        "area_code": rental.area_code,
        "channels": rental.channels,
        "status": rental.status,
        "monthly_price": rental.monthly,
        "currency": currency,
        "kyc": RentalKycOut(fields=dict(rental.fields), documents=documents, missing=missing),
        "note": rental.note,
        "number_id": rental.number_id,
        "e164": rental.e164,
        "period_start": rental.period_start,
        "period_end": rental.period_end,
        "released_at": rental.released_at,
        "created_at": rental.created_at,
        "updated_at": rental.updated_at,
    }
