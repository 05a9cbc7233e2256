"""What the outside is told of a refusal."""

from __future__ import annotations

import pytest

from sip.errors import LocalProtocolError
from sip.sdp.rejection import INCOMPATIBLE_FORMAT, SdpRejected


class TestWarningHeader:
    @pytest.mark.parametrize("agent", ["192.0.2.1", "192.0.2.1:5060", "[2001:db8::1]:5060", "sip.example.com"])
    def test_code_agent_and_text(self, agent: str) -> None:
        error = SdpRejected("no codec in common", warning=INCOMPATIBLE_FORMAT, medium=2)
        assert error.warning_header(agent) == ("Warning", f'305 {agent} "media line 2: no codec in common"')

    def test_an_ipv6_address_gets_its_brackets(self) -> None:
        assert SdpRejected("x", warning=399).warning_header("2001:db8::1")[1] == '399 [2001:db8::1] "x"'

    def test_without_a_line(self) -> None:
        error = SdpRejected("no audio offered", warning=304)
        assert error.warning_header("h") == ("Warning", '304 h "no audio offered"')

    @pytest.mark.parametrize("agent", ["", "a b", "a\r\nX: y", 'a"', "ä"])
    def test_no_agent_can_forge_a_line(self, agent: str) -> None:
        with pytest.raises(LocalProtocolError):
            SdpRejected("x", warning=399).warning_header(agent)

    def test_nor_can_a_reason(self) -> None:
        error = SdpRejected('a"b\r\nc\\d\u00e9' + "x" * 99, warning=399)
        value = error.warning_header("h")[1]
        assert value.startswith('399 h "a?b??c?d?x')
        assert len(value) == len('399 h ""') + 80
