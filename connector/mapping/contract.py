"""The contract of a Custom Event, as models: the only place that says what Airship accepts.

Whoever has to know whether an event is valid asks here: the connector before it sends, the sandbox when it receives,
`preview`, the generated schemas. (`acceptance.py` is quicker and accepts less; it never accepts what is refused here.)

Refused is what Airship documents as wrong, and no more: good data must not become a dead letter by a guess. What is
not documented is a limit in `ValidationSettings`, off unless it is set, or stays open:

- unknown keys beside the known ones pass, also beside the identifier in `user`;
- null in an optional field counts as "left out", as JSON readers have it; the connector leaves it out when it sends;
- null inside `properties`, and their number, depth and size, pass;
- a number is any finite number, `decimal.Decimal` included.

Every fault of an event is found in one pass; a fault quotes nothing of the event but the names of its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from connector.core.records import Fault
from connector.mapping.contract_rules import (
    FAULTS_MAX,
    IDENTIFIERS,
    OCCURRED_EXPECTED,
    OCCURRED_PATTERN,
    STRING_ITEM_LENGTH_MAX,
    UUID,
    UUID_PATTERN,
    WINDOW_SECONDS,
    Place,
    describe,
    has_lone_surrogate,
    is_finite,
    json_faults,
    unreadable_time,
)
from connector.settings import ValidationSettings

_REQUIRED: Mapping[Place, str] = {
    ("user",): "an object with exactly one identifier",
    ("body",): "an object",
    ("body", "name"): "a string without upper-case characters",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the models need to know beside the event; passed as the context of `model_validate`."""

    now_seconds: float
    limits: ValidationSettings


def _refused(found: str, expected: str) -> PydanticCustomError:
    return PydanticCustomError("contract", "found {found}, expected {expected}", {"found": found, "expected": expected})


def _limits(info: ValidationInfo) -> ValidationSettings:
    return _judgement(info).limits


def _judgement(info: ValidationInfo) -> Judgement:
    assert isinstance(info.context, Judgement), "a CustomEvent is validated with a Judgement as its context"
    return info.context


def _text(value: object, expected: str, length_max: int | None) -> str:
    if not isinstance(value, str):
        raise _refused(describe(value), expected)
    if has_lone_surrogate(value):
        raise _refused("half of a surrogate pair", "text that UTF-8 can hold")
    if length_max is not None and len(value) > length_max:
        raise _refused(describe(value), f"at most {length_max} characters")
    return value


def _check_text(value: object, info: ValidationInfo) -> str | None:
    return None if value is None else _text(value, "a string", _limits(info).text_length_max)


def _check_occurred(value: object, info: ValidationInfo) -> str | None:
    if value is None:
        return None
    text = _text(value, OCCURRED_EXPECTED, None)
    wrong = unreadable_time(text)
    if wrong is not None:
        raise _refused(wrong, OCCURRED_EXPECTED)
    age = _judgement(info).now_seconds - datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
    if age > WINDOW_SECONDS:
        raise _refused(f"a time {age / 86_400:.1f} days ago", "a time within the past 90 days")
    if -age > _limits(info).clock_skew_ms / 1000:
        raise _refused(f"a time {-age:.0f} seconds in the future", "a time that is not in the future")
    return text


def _check_named_user_id(value: object, info: ValidationInfo) -> str | None:
    if value is None:
        return None
    text = _text(value, "a string", _limits(info).named_user_id_length_max)
    if not text:
        raise _refused("an empty string", "a string that names a user")
    if text.strip() != text:
        raise _refused("white space at an end", "no leading or trailing white space")
    return text


def _check_channel(value: object) -> str | None:
    if value is None:
        return None
    expected = "a UUID, 8-4-4-4-12 hexadecimal digits"
    text = _text(value, expected, None)
    if not UUID.fullmatch(text):
        raise _refused(f"{describe(text)} that is none", expected)
    return text


def _check_name(value: object, info: ValidationInfo) -> str:
    text = _text(value, _REQUIRED["body", "name"], _limits(info).name_length_max)
    if not text:
        raise _refused("an empty string", "a name of at least one character")
    for position, character in enumerate(text, 1):
        if character.isupper():
            raise _refused(f"an upper-case character at position {position}", "no upper-case characters")
    return text


def _check_value(value: object, info: ValidationInfo) -> int | float | Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _refused(describe(value), "a number")
    if not isinstance(value, int) and not is_finite(value):
        raise _refused(describe(value), "a finite number")
    limits = _limits(info)
    if limits.value_min is not None and value < limits.value_min:
        raise _refused("a smaller number", f"at least {limits.value_min}")
    if limits.value_max is not None and value > limits.value_max:
        raise _refused("a larger number", f"at most {limits.value_max}")
    return value


def _check_properties(value: object, info: ValidationInfo) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _refused(describe(value), "an object")
    limits = _limits(info)
    if limits.properties_keys_max is not None and len(value) > limits.properties_keys_max:
        raise _refused(describe(value), f"at most {limits.properties_keys_max} fields")
    faults = json_faults(value, length_max=STRING_ITEM_LENGTH_MAX, depth_max=limits.properties_depth_max)
    if faults:
        raise _several([(place, _refused(found, expected)) for place, found, expected in faults])
    return value


def _several(errors: list[tuple[Place, PydanticCustomError]]) -> ValidationError:
    """Several errors of one validator: pydantic puts the place of the field in front of each."""
    details = [InitErrorDetails(type=error, loc=place, input=None) for place, error in errors]
    return ValidationError.from_exception_data("contract", details)


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


Text = Annotated[str | None, PlainValidator(_check_text), _schema(type=["string", "null"])]
Channel = Annotated[str | None, PlainValidator(_check_channel), _schema(type=["string", "null"], pattern=UUID_PATTERN)]
Occurred = Annotated[
    str | None, PlainValidator(_check_occurred), _schema(type=["string", "null"], pattern=OCCURRED_PATTERN)
]
NamedUserId = Annotated[
    str | None,
    PlainValidator(_check_named_user_id),
    _schema(type=["string", "null"], minLength=1, pattern=r"^\S(?:[\s\S]*\S)?$"),
]
Name = Annotated[str, PlainValidator(_check_name), _schema(type="string", minLength=1, pattern="^[^A-Z]+$")]
Value = Annotated[int | float | Decimal | None, PlainValidator(_check_value), _schema(type=["number", "null"])]
Properties = Annotated[
    dict[str, Any] | None,
    PlainValidator(_check_properties),
    _schema(type=["object", "null"]),
]


class Part(BaseModel):
    """Unknown keys pass: what Airship does with them is not documented."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class User(Part):
    """Whom the event is about: exactly one identifier."""

    named_user_id: Annotated[NamedUserId, Field(description="no white space at its ends")] = None
    channel: Annotated[Channel, Field(description="a UUID, like all channels")] = None
    ios_channel: Channel = None
    android_channel: Channel = None
    amazon_channel: Channel = None
    web_channel: Channel = None

    @model_validator(mode="wrap")
    @classmethod
    def _exactly_one(cls, value: Any, handler: ModelWrapValidatorHandler[User]) -> User:
        if not isinstance(value, dict):
            raise _refused(describe(value), _REQUIRED["user",])
        errors: list[tuple[Place, PydanticCustomError]] = []
        given = [identifier for identifier in IDENTIFIERS if value.get(identifier) is not None]
        if len(given) != 1:
            found = f"{len(given)} ({', '.join(given)})" if given else "no identifier"
            errors.append(((), _refused(found, f"exactly one of {', '.join(IDENTIFIERS)}")))
        try:
            user = handler(value)
        except ValidationError as error:
            errors += [(one["loc"], _refused(one["ctx"]["found"], one["ctx"]["expected"])) for one in error.errors()]
            raise _several(errors) from None
        if errors:
            raise _several(errors)
        return user


class Body(Part):
    """What happened."""

    name: Annotated[Name, Field(description="no upper-case characters")]
    value: Annotated[Value, Field(description="any finite number")] = None
    transaction: Annotated[Text, Field(description="what the event belongs to, such as an order's number")] = None
    interaction_id: Annotated[Text, Field(description="where it happened, such as the address of a page")] = None
    interaction_type: Annotated[Text, Field(description="of what kind that is: url, social, email, ...")] = None
    session_id: Annotated[Text, Field(description="the user's session, as a rule a UUID")] = None
    unique_id: Annotated[Text, Field(description="introduces uniqueness for Sequences; does not remove duplicates")] = (
        None
    )
    properties: Annotated[Properties, Field(description="strings of at most 255 characters")] = None


class CustomEvent(Part):
    """One element of the array that `POST /api/custom-events` takes."""

    occurred: Annotated[
        Occurred, Field(description="UTC in whole seconds, within the past 90 days; left out: when it arrives")
    ] = None
    user: User
    body: Body


_DEFAULT_LIMITS = ValidationSettings()


def faults_of(event: object, now_seconds: float, limits: ValidationSettings = _DEFAULT_LIMITS) -> tuple[Fault, ...]:
    """All faults of a decoded JSON value as a Custom Event; none: it is valid.

    `field` is the dotted path, `body.properties.items[0].text`; empty when the event is not an object at all.
    """
    try:
        CustomEvent.model_validate(event, context=Judgement(now_seconds, limits))
    except ValidationError as error:
        return tuple(_fault(one) for one in error.errors(include_url=False)[:FAULTS_MAX])
    return ()


def _fault(error: Any) -> Fault:
    place: Place = error["loc"]
    match error["type"]:
        case "contract":
            return Fault(dotted(place), error["ctx"]["found"], error["ctx"]["expected"])
        case "missing":
            return Fault(dotted(place), "nothing", _REQUIRED[place])
        case _:  # model_type, model_attributes_type: the only other thing that the models themselves refuse
            return Fault(dotted(place), describe(error["input"]), "an object")


def dotted(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
