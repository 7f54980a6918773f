"""Reads the sound of a video file with PyAV, without decoding it, to copy it into an annotated video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .video.reader import MAX_STEP_BACK

MAX_STEP_FORWARD = 10.0  # seconds without sound, after the last frame

# Codecs that the MP4 format can hold, and that players of MP4 files know. (FFmpeg can also write others, such
# as Vorbis and PCM, but browsers and most players do not play them in MP4 files.)
MP4_CODECS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus"})


class SourceSound:
    """The sound of a video file. It is read in step with the frames of the annotated video.

    Times in the annotated video begin at its first frame. Of the sound before this frame, only the packet
    that contains the beginning, and the packet before it, are copied: decoders need both, and the player
    skips their part before the first frame.

    Args:
        av: The module `av`.
        container: The open video file (`av.container.InputContainer`).

    Attributes:
        problems: Reasons why sound is missing in the annotated video, one per reason.
    """

    def __init__(self, av: Any, container: Any) -> None:
        self.problems: list[str] = []
        self._av = av
        self._container = container
        self._tracks: dict[int, _Track] = {}
        self._packets: Iterator[Any] = iter(())
        self._next: tuple[Any, _Track, Fraction] | None = None  # the next packet, and its time in the source
        self._until = Fraction(0)  # the sound before this time in the annotated video was copied
        self._is_damaged = False  # whether a damaged packet was left out
        self._start = Fraction(0)  # time in the source that is time 0 of the annotated video
        video = container.streams.best("video")
        self._origin = Fraction(0)  # time of the first frame in the time of the container
        if video is not None and video.start_time is not None and video.time_base:
            self._origin = video.start_time * video.time_base

    def add_streams(self, output: Any) -> None:
        """Add a stream to the output container for each audio stream that an MP4 file can hold."""
        streams = list(self._container.streams.audio)
        for stream in streams:
            context = stream.codec_context
            codec = "(unknown)" if context is None else context.codec.canonical_name
            if codec not in MP4_CODECS or not context.sample_rate:
                which = "its sound" if len(streams) == 1 else f"its audio stream {stream.index}"
                self.problems.append(
                    f"{which} is not copied, because an MP4 file cannot hold the codec {codec}"
                )
                continue
            copy = output.add_stream_from_template(stream)
            copy.time_base = Fraction(1, context.sample_rate)
            if language := stream.metadata.get("language"):
                copy.metadata["language"] = language
            self._tracks[stream.index] = _Track(stream, copy)
        if self._tracks:
            self._packets = self._container.demux([track.source for track in self._tracks.values()])

    def begin(self, time: float) -> None:
        """Set the time in the source that is time 0 of the annotated video."""
        self._start = Fraction(time) + self._origin

    def packets(self, until: float | None) -> Iterator[Any]:
        """Yield the packets that begin before this time in the annotated video. None: all other packets.

        Sound may continue after the last frame, but a packet far after both is the end: its time is damaged.
        """
        self._until = self._until if until is None else Fraction(until)
        while (found := self._next or self._read()) is not None:
            self._next = found
            packet, track, time = found
            if until is not None and time - self._start >= self._until:
                return
            self._next = None
            if time - max(track.end, self._start + self._until) > MAX_STEP_FORWARD:
                self.stop(f"its sound ends at {self._end_of(track):.3f} s, where times jump")
                return
            track.end = max(track.end, time + packet.duration * packet.time_base)
            time -= self._start
            yield from track.shift(packet, time)

    def note_damage(self, time: Fraction) -> None:
        """Note that the packet at this time in the annotated video is damaged and was left out."""
        if not self._is_damaged:
            self.problems.append(f"parts of its sound from {float(time):.3f} s are damaged and left out")
        self._is_damaged = True

    def stop(self, problem: str) -> None:
        """Copy no more sound. The reason is added to `problems`."""
        if self._tracks:
            self.problems.append(problem)
        self._packets, self._next, self._tracks = iter(()), None, {}

    def _end_of(self, track: _Track) -> float:
        """Return the time in the annotated video at which the copied sound of a track ends."""
        return max(float(track.end - self._start), 0.0)

    def _read(self) -> tuple[Any, _Track, Fraction] | None:
        """Return the next packet that has content and a plausible time."""
        while self._tracks:
            try:
                packet = next(self._packets, None)
            except (self._av.error.FFmpegError, ValueError, OSError) as error:
                self.stop(f"the rest of its sound cannot be read ({error})")
                return None
            if packet is None:
                return None
            track = self._tracks.get(packet.stream_index)
            if track is None or not packet.size:
                continue
            time = track.time(packet)
            if time < track.end - Fraction(MAX_STEP_BACK):
                self.stop(f"its sound ends at {self._end_of(track):.3f} s, where times go back")
                return None
            return packet, track, time
        return None


class _Track:
    """An audio stream and its copy.

    Attributes:
        end: Time in the source at which the last packet that was used ends.
    """

    def __init__(self, source: Any, copy: Any) -> None:
        self.source = source
        self.end = Fraction(-(10**9))
        self._copy = copy
        self._sample_rate = source.codec_context.sample_rate
        self._samples = getattr(source.codec_context, "frame_size", 0) or 0  # per packet; 0: not constant
        self._held: tuple[Any, int] | None = None  # the last packet that ends before time 0
        self._last: int | None = None  # time of the last copied packet, in samples

    def time(self, packet: Any) -> Fraction:
        """Return the time of a packet in the source, in seconds."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None:
            return Fraction(at * packet.time_base)
        return self.end if self.end > -(10**9) else Fraction(0)

    def shift(self, packet: Any, time: Fraction) -> Iterator[Any]:
        """Yield the packets of the copy, if this packet is the next one. `time` is its time in the copy."""
        at = round(time * self._sample_rate)
        if at + round(packet.duration * packet.time_base * self._sample_rate) <= 0:
            self._held = packet, at
            return
        if self._held is not None:
            held, self._held = self._held, None
            yield self._copied(*held)
        if self._last is not None:
            # A container with coarse times (Matroska: 1 ms) rounds them; the samples have no gaps.
            expected = self._last + self._samples
            if self._samples and abs(at - expected) <= packet.time_base * self._sample_rate:
                at = expected
            if at <= self._last:
                return  # a repeated packet
        yield self._copied(packet, at)

    def _copied(self, packet: Any, at: int) -> Any:
        packet.stream = self._copy
        duration = round(packet.duration * packet.time_base * self._sample_rate)
        packet.time_base = Fraction(1, self._sample_rate)
        packet.pts = packet.dts = self._last = at
        packet.duration = self._samples or duration
        return packet
