"""Options of `prepare`."""

from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.records.privacy import default_salt, salted_hash
from beatssl.records.reader import named
from beatssl.records.units import Implausible, Missing
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation

FOLDS = "folds"
"""As `split` of a verb: the store's own folds are the sides."""

AS_RECORDED = ("qtdb", "mitdb", "cpsc2019")
"""Kinds whose leads mostly have no place among the twelve: their leads are kept in file order."""

ONE_LEAD = ("cinc2017", "incartdb")
"""Kinds of which one of the twelve leads will do."""

PUBLISHED = (
    "ptbxl", "ludb", "qtdb", "mitdb", "cinc", "brugada", "ptbdb", "cinc2011", "cinc2017", "incartdb", "cpsc2019",
    "synthetic",
)  # fmt: skip
"""Kinds whose patient ids are public, or of nobody."""

_SHARD_RECORDS = {"qtdb": 8, "mitdb": 8, "incartdb": 8, "ludb": 64}

MIN_DURATION_S = 2.0
"""A shorter record or row shows neither rhythm nor, surely, one whole beat."""

RATES_HZ = (50.0, 5000.0)
"""Sampling rates of a store: below, no QRS can be delineated; above, no recorder goes."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


# Errors must not show the arguments: the salt is among them.
@dataclass(frozen=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class PrepareConfig:
    """From ECG files to a store of equal rows with beats, features and labels."""

    kind: tyro.conf.Positional[str]
    """What the source holds: ptbxl, ludb, qtdb, mitdb, cinc, brugada, ptbdb, cinc2011, cinc2017, incartdb, cpsc2019,
    files or synthetic."""
    source: tyro.conf.Positional[Annotated[Path | tuple[Path, ...], tyro.conf.arg(metavar="PATH [PATH ...]")]]
    """Folder of the data set, in the layout its publisher gives it; of kind files one or more files and folders; for
    synthetic the number of records."""
    out: Path
    """Folder of the store. One that a kill left unfinished is continued."""
    table: Path | None = None
    """A CSV file of your own, a line a record: its id (folder and ending may be left out) and any of patient_id, age,
    sex, fold, and other columns, which the store keeps. Patient ids are hashed as those in files are."""
    sampling: Literal["100", "500"] | None = None
    """ptbxl only: the files read, 100 Hz (default) or 500 Hz."""
    csv_fs_hz: Positive | None = None
    """files only: sampling rate of CSV and .npy files, which state none."""
    unit: str | None = None
    """files only: unit of CSV and .npy files, such as mV or uV."""
    lead_names: tuple[str, ...] = ()
    """files only: leads of CSV and .npy files, in their order."""
    fs_hz_override: Positive | None = None
    """files only: sampling rate to take instead of the one that the files state wrongly."""
    correct_electrodes: bool = False
    """files only: undo the exchange of electrodes (or the wrong sign of all leads) that a twelve-lead record shows,
    where it can be undone."""
    fs_hz: Positive = 100.0
    """Sampling rate of the stored signals, in Hz."""
    duration_s: Positive = 10.0
    """Length of a row, in seconds. Longer records become several rows, shorter ones are padded."""
    low_hz: Positive = 0.5
    """Lower edge of the zero-phase band-pass, in Hz."""
    high_hz: Positive = 40.0
    """Upper edge of the zero-phase band-pass, in Hz."""
    leads: Literal["by-kind", "twelve", "as-recorded"] = "by-kind"
    """twelve: canonical order, missing leads marked. as-recorded: file order. by-kind: as-recorded for qtdb, mitdb and
    cpsc2019."""
    baseline: Literal["as-recorded", "medians"] = "as-recorded"
    """medians: take off, at the record's own rate, the running median over 600 ms of that over 200 ms, as is usual
    before beats are classified."""
    distinct_from: tuple[Path, ...] = ()
    """Stores, prepared alike, whose records are set aside here: those of one database under its two names (cinc and
    ptbdb or incartdb), of the same source and id (names of your own files are no ids), or with a row of the same
    waveform."""
    max_missing_leads: Annotated[int, Field(ge=0, le=11)] | None = None
    """A record with more of the twelve leads missing, after limb leads are derived, is set aside. None: 4, and 11 for
    cinc2017 and incartdb, of which one lead may be all there is."""
    max_missing_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """A record with a larger share of unmeasured samples in its present leads is set aside."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """synthetic only: which cohort; the same number makes the same records (default 0)."""
    no_unit: Missing = "by-format"
    """A file that states no unit or gain: by-format takes what its format's specification says (WFDB: mV, 200 units per
    mV) and flags it, else sets it aside; error always sets it aside; assume takes mV where a format says nothing."""
    implausible: Implausible = "error"
    """A record whose amplitude no ECG has (a wrong unit, mostly): error sets it aside, flag keeps and flags it."""
    min_rate: Positive = 20.0
    """A record with a lower median heart rate, per minute, is set aside."""
    max_rate: Positive = 350.0
    """A record with a higher median heart rate, per minute, is set aside."""
    clusters: Annotated[int, Field(ge=0)] = 32
    """Number of beat shape clusters (hard beat targets without labels); 0 makes none."""
    keep_identifiers: bool = False
    """Keep patient ids as they are. By default a salted hash stands for each."""
    salt: str | None = field(default=None, repr=False)
    """Secret mixed into the hash of patient ids, never stored. None: this user's own (BEATSSL_SALT, or a file made
    once), but a fixed one for the published data sets, so that their stores are the same everywhere."""
    shard_records: Count | None = None
    """Records a shard; None: 1024 (ludb 64, qtdb and mitdb 8). Memory grows with it."""
    workers: Count | None = None
    """Processes; None: one a core. The result does not depend on it."""
    dask: str | None = None
    """Address of a Dask scheduler, whose workers see the same folders, instead of processes here."""

    def __post_init__(self) -> None:
        """Raises ValueError for settings that no record could meet: they would set every record aside."""
        self._check_places()
        if not RATES_HZ[0] <= self.fs_hz <= RATES_HZ[1]:
            raise ValueError(f"fs_hz={self.fs_hz:g}: pass {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz")
        if self.duration_s < MIN_DURATION_S:
            raise ValueError(f"duration_s={self.duration_s:g}: a row needs {MIN_DURATION_S:g} s at least")
        if self.low_hz >= self.high_hz:
            raise ValueError(
                f"low_hz={self.low_hz:g}, high_hz={self.high_hz:g}: the band is empty; pass low_hz < high_hz"
            )
        if self.high_hz > self.fs_hz / 2:
            raise ValueError(
                f"high_hz={self.high_hz:g}: a store at fs_hz={self.fs_hz:g} holds nothing above {self.fs_hz / 2:g} Hz; "
                "pass a lower high_hz or a higher fs_hz"
            )
        if self.min_rate >= self.max_rate:
            raise ValueError(
                f"min_rate={self.min_rate:g}, max_rate={self.max_rate:g}: nothing between; pass min_rate < max_rate"
            )
        if self.salt == "":
            raise ValueError("salt='': anyone could undo the hashes; pass a secret, or none for this user's own")

    def _check_places(self) -> None:
        if not self.places:
            raise ValueError("no source given; pass the folder of the data set, or ECG files and folders of them")
        if len(self.places) > 1 and self.kind in PUBLISHED:
            raise ValueError(
                f"kind {self.kind!r} is one data set and takes one folder, but {len(self.places)} paths are given "
                f"({named(self.places)}); prepare each into a store of its own, or pass kind 'files' for any ECG files"
            )

    @property
    def places(self) -> tuple[Path, ...]:
        """The files and folders of the source."""
        return self.source if isinstance(self.source, tuple) else (self.source,)

    @property
    def root(self) -> Path:
        """What sources lie in that name no folder of their own: the source, where it is one."""
        return self.places[0]

    @property
    def twelve_leads(self) -> bool:
        """Whether rows hold the twelve leads in canonical order."""
        return self.leads == "twelve" or (self.leads == "by-kind" and self.kind not in AS_RECORDED)

    @property
    def preparation(self) -> Preparation:
        """What is done to the signals; its leads are none where they are kept as recorded."""
        return Preparation(self.fs_hz, self.low_hz, self.high_hz, LEADS if self.twelve_leads else ())

    @property
    def missing_leads_allowed(self) -> int:
        """`max_missing_leads`, or what holds for the kind where it is not given."""
        if self.max_missing_leads is not None:
            return self.max_missing_leads
        return 11 if self.kind in ONE_LEAD else 4

    @property
    def reads_files(self) -> bool:
        """Whether the source is files; that of a synthetic cohort is a number."""
        return self.kind != "synthetic"

    @property
    def records_per_shard(self) -> int:
        return self.shard_records or _SHARD_RECORDS.get(self.kind, 1024)

    @property
    def row_samples(self) -> int:
        """Samples of a row."""
        return round(self.duration_s * self.fs_hz)

    def what_counts(self) -> dict[str, Any]:
        """All that the result depends on, defaults resolved; no folder, no worker, and of the salt a fingerprint."""
        return {
            "kind": self.kind,
            "fs_hz": self.fs_hz,
            "duration_s": self.duration_s,
            "low_hz": self.low_hz,
            "high_hz": self.high_hz,
            "leads": "twelve" if self.twelve_leads else "as-recorded",
            "max_missing_leads": self.missing_leads_allowed,
            "max_missing_share": self.max_missing_share,
            "min_rate": self.min_rate,
            "max_rate": self.max_rate,
            "clusters": self.clusters,
            "keep_identifiers": self.keep_identifiers,
            "salt_fingerprint": salted_hash("fingerprint", self.salt_bytes())[:12],
            "shard_records": self.records_per_shard,
        } | ({} if self.baseline == "as-recorded" else {"baseline": self.baseline})

    def salt_bytes(self) -> bytes:
        """The salt that holds."""
        if self.salt is not None:
            return self.salt.encode()
        return b"beatssl" if self.kind in PUBLISHED else default_salt()

    def resolved(self) -> "PrepareConfig":
        """Paths made absolute and the salt read, so that a process elsewhere understands it the same way."""
        salt = self.salt_bytes().decode()
        places = tuple(place.resolve() for place in self.places) if self.reads_files else self.places
        source = places[0] if len(places) == 1 else places
        table = self.table.resolve() if self.table else None
        others = tuple(store.resolve() for store in self.distinct_from)
        return replace(self, source=source, out=self.out.resolve(), table=table, distinct_from=others, salt=salt)

    def patient_key(self, source: str, patient_id: str | None) -> str | None:
        """What the store keeps of a patient id: the id itself on request, else 32 hex digits of a salted hash."""
        if patient_id is None or self.keep_identifiers:
            return patient_id
        return salted_hash(f"{source}/{patient_id}", self.salt_bytes())
