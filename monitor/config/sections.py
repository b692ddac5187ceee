"""What every section of the configuration file is, and the section that several others hold: certificates."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from monitor.config import fields

SEVERAL = "configuration_several"

Text = Annotated[str | None, fields.FILE]
Finding = tuple[str, str, str]


def several(findings: list[Finding]) -> PydanticCustomError:
    """One error for all that is wrong between the keys of a section: (key below it, what, what instead)."""
    said = "; ".join(f"{key}: {what}, {instead}" for key, what, instead in findings)
    return PydanticCustomError(SEVERAL, "{said}", {"said": said, "findings": findings})


class Section(BaseModel):
    """A mapping of the file: frozen, no unknown keys; an empty value is the same as a key left out."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            known = known_keys(cls)
            return {key: value for key, value in data.items() if value is not None or key not in known}
        return data


@cache
def known_keys(section: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a section takes, as the file spells them."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


class Tls(Section):
    """How the server's certificate is checked, and with which certificate the monitor shows itself."""

    ca_file: Text = None
    """PEM certificates to trust instead of the system's."""
    cert_file: Text = None
    """PEM certificate of the monitor, for servers that ask for one. Needs keyFile."""
    key_file: Text = None
    """PEM key of certFile, without a passphrase."""
    insecure: Annotated[bool, fields.TRUTH] = False
    """Do not check the server's certificate: whoever answers gets the token."""
    server_name: Annotated[str | None, fields.HOST] = None
    """Name to expect in the certificate instead of the host."""

    @model_validator(mode="after")
    def _pairs(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            given, missing = ("certFile", "keyFile") if self.key_file is None else ("keyFile", "certFile")
            raise fields.refuse(f"{given} is given without {missing}", f"add {missing}")
        return self
