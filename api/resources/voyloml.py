"""`/v1/voyloml/validate` (contract §10.9), and the schema of the language for editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.operation import ApiRequest, Operation, Principal
from api.schemas.voyloml import ValidateDocument, Validation
from api.services import ApiServices
from engine.errors import FieldError


async def validate_document(request: ApiRequest) -> Validation:
    """Lints a document; a faulty one is a good answer, not an error."""
    services = request.services
    if request.body_values is None:
        result = services.applications.validate_document(request.raw_body, tts_available=services.tts_available)
        return Validation.model_validate(result)
    body = request.body(ValidateDocument)
    result = services.applications.validate_document(
        body.xml, tts_available=services.tts_available, variables=body.variables
    )
    return Validation.model_validate(result)


async def read_schema(request: ApiRequest) -> str:
    """The XML schema that the verb table makes."""
    from voyloml.xsd import schema

    return schema()


async def check_variables(
    services: ApiServices, principal: Principal, values: Mapping[str, Any]
) -> Sequence[FieldError]:
    """The rules of custom variables, which belong to the language."""
    variables = values.get("variables")
    return services.applications.variable_errors(variables) if isinstance(variables, dict) else []


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "POST",
        "/v1/voyloml/validate",
        "validateDocument",
        "Check a VoyloML document",
        "VoyloML",
        validate_document,
        description="The document in JSON, or by itself as application/xml or text/xml.",
        body=ValidateDocument,
        xml_body=True,
        check=check_variables,
        out=Validation,
    ),
    Operation(
        "GET",
        "/voyloml.xsd",
        "readVoyloMLSchema",
        "The XML schema of VoyloML",
        "VoyloML",
        read_schema,
        access="public",
        description="For editors that complete and check documents.",
        out=str,
        media_type="application/xml",
        example='<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Response"/></xs:schema>',
    ),
)
