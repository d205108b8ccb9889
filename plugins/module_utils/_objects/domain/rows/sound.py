# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what a person hears: sound devices, and where the host plays and records."""

from __future__ import annotations

from ...._xml.rows import Field, Group, ValueList
from ...._xml.types import POSITIVE, STR, WHOLE, YES_NO
from .common import ACPI_INDEX, ADDRESS, ALIAS

SOUND = (
    Field("model", "@model", STR, "The sound device: V(ich9), V(usb), V(ac97), V(virtio) and others."),
    ValueList("codecs", "codec@type", STR, "Codecs of an HDA device.", choices=("duplex", "micro", "output")),
    Field("audio", "audio@id", WHOLE, "The O(audio[].id) that it plays on; the first where it's left out."),
    Field("multichannel", "@multichannel", YES_NO, "Whether it has more than two channels (V(model=usb)).", since=9_004_000),
    Field("streams", "@streams", POSITIVE, "Number of streams (V(model=virtio)).", since=10_004_000),
    ALIAS, ACPI_INDEX, ADDRESS,
)  # fmt: skip


def _side(name: str, doc: str) -> Group:
    return Group(name, name, (
        Field("mixing_engine", "@mixingEngine", YES_NO, "Whether QEMU mixes and converts."),
        Field("fixed_settings", "@fixedSettings", YES_NO, "Whether it's always opened with the settings below."),
        Field("voices", "@voices", POSITIVE, "Number of voices."),
        Field("buffer_length", "@bufferLength", POSITIVE, "Length of the buffer, in microseconds."),
        Field("buffer_count", "@bufferCount", POSITIVE, "Number of buffers (oss, sdl, coreaudio)."),
        Field("frequency", "settings@frequency", POSITIVE, "Sample rate, in hertz."),
        Field("channels", "settings@channels", POSITIVE, "Number of channels."),
        Field("format", "settings@format", STR, "Sample format.", choices=("s8", "u8", "s16", "u16", "s32", "u32", "f32")),
        Field("dev", "@dev", STR, "The host's device (alsa, oss)."),
        Field("name", "@name", STR, "The sink or source (pulseaudio, pipewire)."),
        Field("stream_name", "@streamName", STR, "The stream's name (pulseaudio, pipewire)."),
        Field("latency", "@latency", POSITIVE, "Wanted latency, in microseconds (pulseaudio, pipewire)."),
        Field("try_poll", "@tryPoll", YES_NO, "Whether it's polled (oss, alsa)."),
        Field("server_name", "@serverName", STR, "The server (jack)."),
        Field("client_name", "@clientName", STR, "The client's name (jack)."),
        Field("connect_ports", "@connectPorts", STR, "Ports to connect to, a regular expression (jack)."),
        Field("exact_name", "@exactName", YES_NO, "Whether the client's name must be free (jack)."),
    ), doc)  # fmt: skip


AUDIO = (
    Field("id", "@id", POSITIVE, "Number by which sound devices mean it: its identity."),
    Field("type", "@type", STR, "Where the sound goes.", required=True, choices=(
        "none", "alsa", "coreaudio", "dbus", "jack", "oss", "pipewire", "pulseaudio", "sdl", "spice", "file")),
    Field("timer_period", "@timerPeriod", POSITIVE, "How often it's served, in microseconds."),
    Field("path", "@path", STR, "The file (V(type=file))."),
    Field("server_name", "@serverName", STR, "The server (V(type=pulseaudio))."),
    Field("runtime_dir", "@runtimeDir", STR, "The runtime directory (V(type=pipewire)).", since=9_010_000),
    Field("driver", "@driver", STR, "The driver of V(type=sdl).", choices=("esd", "alsa", "arts", "pulseaudio")),
    Field("try_mmap", "@tryMMap", YES_NO, "Whether the device's memory is mapped (V(type=oss))."),
    Field("exclusive", "@exclusive", YES_NO, "Whether the device is kept from others (V(type=oss))."),
    Field("dsp_policy", "@dspPolicy", WHOLE, "Timing policy, from V(0) to V(10) (V(type=oss))."),
    _side("input", "Recording."),
    _side("output", "Playing."),
)  # fmt: skip
