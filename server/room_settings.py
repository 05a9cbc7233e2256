"""The configuration translated for each room: every room has its own frozen settings and knows nothing of the file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import structlog

from engine.billing.invoices import InvoiceTerms
from engine.billing.payments import ManualSettlement, PaymentAdapter, PaymentPage
from engine.calls import LegSettings, StreamServices
from engine.delivery_sender import SenderSettings
from engine.http import OutboundHttpConfig
from engine.http_recogniser import HttpRecogniser
from engine.http_speech import HttpSpeech
from engine.limits import Limits
from engine.model import NumberSip, SipOutbound, SipTransport
from engine.websocket import WebSocketClient
from media import (
    SPOKEN_CODECS,
    AudioDecoder,
    AudioLimits,
    EmbeddedSpeech,
    HibariSpeech,
    MediaConfig,
    NoRecogniser,
    NoSpeech,
    Recogniser,
    SpeechEngine,
    grammar_recogniser,
    vosk_recogniser,
)
from server.config import Config
from server.config.values import Bind
from sip import MessageLimits, SipUri, TlsConfig, UserAgentConfig
from sip.sdp import codecs_named

logger = structlog.get_logger(__name__)


class SettingError(ValueError):
    """A setting is well formed and cannot be met by this version; the message begins with its key."""


def engine_limits(config: Config) -> Limits:
    """Contract §20, as the engine's resources and the API read it."""
    return Limits(**{name: getattr(config.limits, name) for name in Limits.__dataclass_fields__})


def user_agent_config(config: Config) -> UserAgentConfig:
    """SIP listeners, addresses, limits and defence."""
    sip, limits = config.sip, config.limits
    return UserAgentConfig(
        udp=_listening(sip.udp),
        tcp=_listening(sip.tcp),
        tls=_listening(sip.tls),
        ws=_listening(sip.ws),
        wss=_listening(sip.wss),
        tls_files=TlsConfig(sip.tls_cert, sip.tls_key, sip.tls_ca),
        advertised_address=sip.advertised_address,
        domain=sip.domain,
        limits=MessageLimits(message_bytes=limits.sip_message_bytes, headers=limits.sip_headers),
        auth_failures=limits.auth_failures,
        ban_seconds=limits.ban_seconds,
        source_rate=limits.sip_source_rate,
        source_burst=limits.sip_source_burst,
        silent=sip.silent,
        message_status=sip.message_status,
        nonce_seconds=round(sip.nonce_seconds),
        digest_algorithms=sip.digest_algorithms,
    )


def rental_carrier(config: Config) -> NumberSip:
    """The carrier behind rented numbers: who may call them, and where their calls go (contract §14.2, §14.3)."""
    rentals = config.rentals
    outbound = None
    if rentals.carrier_uri is not None:
        uri = SipUri.parse(rentals.carrier_uri)
        password = rentals.carrier_password
        transport = next((value for name, value in uri.params if name.lower() == "transport"), None) or "udp"
        outbound = SipOutbound(
            host=uri.host,
            port=uri.port or 5060,
            transport=cast(SipTransport, transport.lower()),
            username=rentals.carrier_username,
            password=None if password is None else password.get_secret_value(),
        )
    return NumberSip(allowed_source_ips=rentals.carrier_source_ips, outbound=outbound)


def payments(config: Config) -> PaymentAdapter:
    """How top-ups are paid."""
    page = config.billing.payment_page
    return ManualSettlement() if page is None else PaymentPage(page)


def invoice_terms(config: Config) -> InvoiceTerms:
    """What is on every invoice."""
    billing = config.billing
    seller = {
        "name": billing.seller_name,
        "address": billing.seller_address,
        "taxId": billing.seller_tax_id,
        "email": billing.seller_email,
    }
    return InvoiceTerms(
        seller={name: value for name, value in seller.items() if value is not None},
        prefix=billing.invoice_prefix or "",
        note=billing.invoice_note,
        font=billing.invoice_font,
    )


def _listening(bind: Bind | None) -> tuple[tuple[str, int], ...]:
    return () if bind is None else ((bind.host, bind.port),)


def media_config(config: Config) -> MediaConfig:
    """RTP ports, the time-out of silence, the threads, and how they take datagrams."""
    ports = config.media.rtp_ports
    return MediaConfig(
        rtp_ports=(ports.low, ports.high),
        timeout_seconds=config.media.timeout_seconds,
        threads=config.media.threads,
        uring=config.media.io_uring,
    )


def leg_settings(config: Config) -> LegSettings:
    """Codecs in the configured order, as far as they are spoken, and the address in SDP. Raises SettingError."""
    names = [name for name in config.media.codecs if name in SPOKEN_CODECS]
    if not names:
        raise SettingError(f"media.codecs: this version speaks {', '.join(sorted(SPOKEN_CODECS))}; name one of them")
    return LegSettings(codecs=codecs_named(names), media_address=config.media_address)


def http_config(config: Config) -> OutboundHttpConfig:
    """The guard on addresses that customers name."""
    return OutboundHttpConfig(allow_private=config.security.allow_private_callbacks)


def delivery_http_config(config: Config) -> OutboundHttpConfig:
    """The same for deliveries, whose targets each have a limit of their own."""
    return OutboundHttpConfig(allow_private=config.security.allow_private_callbacks, connections=0)


def sender_settings(config: Config) -> SenderSettings:
    """Attempts, time and retention of deliveries."""
    limits = config.limits
    return SenderSettings(
        attempts=limits.webhook_attempts,
        seconds=limits.webhook_seconds,
        keep_days=limits.delivery_days,
        mask=config.security.mask_logged_headers,
    )


def stream_services(config: Config, client: WebSocketClient) -> StreamServices:
    """Limits of `<Stream>`."""
    limits = config.limits
    return StreamServices(client, buffer_seconds=limits.stream_buffer_seconds, per_call=limits.streams_per_call)


def audio_decoder(config: Config) -> AudioDecoder:
    """The decoder of audio files."""
    return AudioDecoder(AudioLimits(file_bytes=config.limits.audio_bytes))


def speech_engine(config: Config, decoder: AudioDecoder, folder: Path | None) -> SpeechEngine:
    """The engine that speaks `<Say>`. `folder` is where it keeps what it said over a restart."""
    speech = config.speech
    if speech.tts == "none":
        return NoSpeech()
    if speech.tts == "http":
        assert speech.tts_url is not None
        return HttpSpeech(
            speech.tts_url,
            decoder,
            voice=speech.tts_voice,
            key=speech.tts_key.get_secret_value() if speech.tts_key else None,
            model=speech.tts_model,
            folder=folder,
        )
    return HibariSpeech(folder) if speech.tts == "hibari" else EmbeddedSpeech(folder)


def recogniser(config: Config) -> Recogniser:
    """The engine that recognises what callers say."""
    speech = config.speech
    if speech.stt == "none":
        return NoRecogniser()
    if speech.stt == "http":
        assert speech.stt_url is not None
        return HttpRecogniser(speech.stt_url, speech.stt_key.get_secret_value() if speech.stt_key else None)
    return grammar_recogniser() if speech.vosk_model is None else vosk_recogniser(speech.vosk_model)


def speech_cache(config: Config) -> Path:
    """Where rendered speech is kept over a restart."""
    return config.storage.data_dir / "cache" / "speech"
