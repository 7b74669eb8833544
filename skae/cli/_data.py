"""Files as rows of numbers: tables, arrays and folders of images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._utils import import_optional
from ..estimators.table_encoder import TableEncoder

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_FOLDER_LABEL = "folder"


class Data(NamedTuple):
    """What a file holds.

    `X` is a frame of a table, or an array of rows or images; `rows` are the names of the rows.
    """

    X: Any
    y: np.ndarray | None
    rows: list[str]
    is_table: bool


def read(path: str, *, label: str | None, drop: list[str]) -> Data:
    """Read a file or folder.

    Parameters
    ----------
    path : str
    label : str or None
        Where the classes are.
    drop : list of str
        Columns of a table to leave out.

    Raises
    ------
    OSError
        If the file does not exist.
    ValueError
        If it is of another kind, or has no such label or columns.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        return _read_images(source, label)
    if not source.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ValueError(
            f"DATA must be a folder of images or one of {', '.join(_READERS)}, got {source.name}."
        )
    if drop and source.suffix.lower() in _ARRAYS:
        raise ValueError(f"--drop takes columns of tables, and {source.name} has none.")
    return reader(source, label, drop)


def fit_encoder(data: Data, *, missing_values: str = "mean") -> TableEncoder | None:
    """Return an encoder of a table that standardizes its columns, None for arrays."""
    if not data.is_table:
        return None
    encoder = TableEncoder(numeric_scaling="standard", missing_values=missing_values)
    try:
        encoder.set_output(transform="pandas").fit(data.X)
    except ValueError as error:
        # Most often a column of text, which it names.
        raise ValueError(f"{error} (--drop COLUMN leaves a column out.)") from error
    return encoder


def encode(data: Data, encoder: TableEncoder | None) -> Any:
    """Return the rows as numbers: those of a table as a frame with names."""
    return data.X if encoder is None else encoder.transform(data.X)


# -- tables ------------------------------------------------------------------------------------


def _read_csv(path: Path) -> Any:
    pandas = import_optional("pandas", "cli")
    frame = pandas.read_csv(path)
    # The index that `DataFrame.to_csv` writes as a column without a name.
    if frame.columns[0] == "Unnamed: 0":
        frame = frame.set_index(frame.columns[0])
    # CSV has no dates: pandas reads them as text.
    texts = [name for name in frame if pandas.api.types.is_string_dtype(frame[name])]
    return frame.assign(**{name: _as_dates(pandas, frame[name]) for name in texts})


def _as_dates(pandas: Any, column: Any) -> Any:
    """Return a column of ISO dates as such, and any other as it is."""
    dates = pandas.to_datetime(column, format="ISO8601", errors="coerce")
    # All of them or none: a column with a single entry that is no date is text.
    is_date = dates.notna().equals(column.notna()) and dates.notna().any()
    return dates if is_date else column


def _read_parquet(path: Path) -> Any:
    pandas = import_optional("pandas", "cli")
    frame = import_optional("polars", "cli").read_parquet(path)
    # By way of lists: polars itself would need pyarrow for it.
    return pandas.DataFrame(frame.to_dict(as_series=False))


def _table_reader(read_frame: Callable[[Path], Any]) -> Callable[..., Data]:
    def read_table(path: Path, label: str | None, drop: list[str]) -> Data:
        try:
            frame = read_frame(path)
        except ImportError:
            raise
        # pandas and polars have errors of their own, which name no file.
        except Exception as error:
            raise ValueError(f"{path.name} could not be read: {error}") from error
        if not len(frame):
            raise ValueError(f"{path.name} holds no rows.")
        wanted = [*drop, *([] if label is None else [label])]
        absent = [name for name in wanted if name not in frame]
        if absent:
            raise ValueError(
                f"{path.name} has no column {absent[0]!r}; it has {', '.join(map(str, frame))}."
            )
        y = None if label is None else frame[label].to_numpy()
        return Data(frame.drop(columns=wanted), y, [str(each) for each in frame.index], True)

    return read_table


# -- arrays and images -------------------------------------------------------------------------


def _read_npy(path: Path, label: str | None, drop: list[str]) -> Data:
    if label is not None:
        raise ValueError(f"{path.name} holds one array, and no labels; an .npz file may hold both.")
    X = _load(path)
    return Data(X, None, _numbered(X), False)


def _load(path: Path) -> Any:
    """Return an array, or an open archive of several."""
    try:
        # No pickle: the file may be anybody's.
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path.name} could not be read: {error}") from error


def _read_npz(path: Path, label: str | None, drop: list[str]) -> Data:
    with _load(path) as arrays:
        names = [name for name in arrays.files if name != label]
        if label is not None and label not in arrays.files:
            raise ValueError(f"{path.name} has no array {label!r}; it has {', '.join(names)}.")
        data = next((name for name in ("X", "images", "data") if name in names), None)
        if data is None and len(names) != 1:
            raise ValueError(
                f"{path.name} must hold the data as X, images or data, got {', '.join(names)}."
            )
        X = arrays[names[0] if data is None else data]
        return Data(X, None if label is None else arrays[label], _numbered(X), False)


def _numbered(X: np.ndarray) -> list[str]:
    if X.ndim < 2:
        raise ValueError(f"DATA must hold rows or images, got an array of shape {X.shape}.")
    return [str(i) for i in range(len(X))]


def _read_images(folder: Path, label: str | None) -> Data:
    """Read a folder of images, those in folders within it as well."""
    Image = import_optional("PIL.Image", "cli")
    if label not in (None, _FOLDER_LABEL):
        raise ValueError(f"--label of a folder of images must be {_FOLDER_LABEL!r}, got {label!r}.")
    paths = sorted(each for each in folder.rglob("*") if each.suffix.lower() in _IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} holds no images ({', '.join(sorted(_IMAGE_SUFFIXES))}).")
    images = [np.asarray(_as_grey_or_color(Image.open(path))) for path in paths]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"The images in {folder} must be of one size and kind, got {len(shapes)} kinds, such "
            f"as {sorted(map(str, shapes))[:2]}."
        )
    y = None if label is None else np.array([path.parent.name for path in paths])
    return Data(np.stack(images), y, [str(path.relative_to(folder)) for path in paths], False)


def _as_grey_or_color(image: Any) -> Any:
    return image.convert("L" if image.mode in ("1", "L", "I;16", "I", "F", "LA") else "RGB")


_ARRAYS: dict[str, Callable[..., Data]] = {".npy": _read_npy, ".npz": _read_npz}
_READERS: dict[str, Callable[..., Data]] = {
    ".csv": _table_reader(_read_csv),
    ".parquet": _table_reader(_read_parquet),
    **_ARRAYS,
}
