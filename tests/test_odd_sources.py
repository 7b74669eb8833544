"""Sources as they are found: half-written files, filtered blocks, and objects that are no rows."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesOutlierDetector,
    TableEncoder,
)
from skae.sources import RowSource, open_batches, open_rows

SMALL = partial(Autoencoder, 2, max_iter=1, random_state=0)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((240, 2)) @ rng.standard_normal((2, 6))
    return rows + 0.1 * rng.standard_normal(rows.shape)


@pytest.fixture(scope="module")
def fitted(X):
    return SMALL().fit(X)


def write_parquet(X, path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({f"p{j}": column for j, column in enumerate(X.T)})
    pq.write_table(table, path, row_group_size=40)
    return path


def as_zarr(X, folder, chunks):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(folder / "rows.zarr", shape=X.shape, chunks=chunks, dtype=X.dtype)
    array[:] = X
    return array


def as_dask_array(X, chunks):
    return pytest.importorskip("dask.array").from_array(X, chunks=chunks)


def as_dask_frame(X):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    return dd.from_pandas(pd.DataFrame(X).add_prefix("p"), chunksize=60)


# -- files ---------------------------------------------------------------------------------


def test_what_other_programs_leave_in_a_folder_of_parquet_files_is_no_data(X, tmp_path):
    write_parquet(X[:120], tmp_path / "a.parquet")
    write_parquet(X[120:], tmp_path / "b.pq")
    for name in ("_temporary/0/a.parquet", "_delta_log/1.parquet", "._a.parquet", "_SUCCESS"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half of a file")
    assert_array_equal(open_rows(tmp_path).load(), X)


def test_the_index_of_a_frame_that_was_written_is_no_feature(X, tmp_path):
    pd, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X).add_prefix("p")
    frame[frame.p0 > 0].to_parquet(tmp_path / "filtered.parquet")
    frame.assign(time=X[:, 0]).set_index("time").to_parquet(tmp_path / "a.parquet")
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "folder")
    for name in ("filtered.parquet", "a.parquet", "folder"):
        assert open_rows(tmp_path / name).feature_names == list(frame.columns)
    assert open_rows(tmp_path / "a.parquet", columns=["time"]).shape == (len(X), 1)


@pytest.mark.parametrize("about", [b"no json", b"[]", b'{"index_columns": null}', b"\xff"])
def test_what_another_program_says_of_an_index_does_no_harm(about, X, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"a": X[:, 0]}).replace_schema_metadata({b"pandas": about})
    pq.write_table(table, tmp_path / "a.parquet")
    assert open_rows(tmp_path / "a.parquet").feature_names == ["a"]


@pytest.mark.parametrize("edges", [[], [0, 20, 10], [5, 20], [0, 9.5], 20])
def test_edges_of_parts_that_leave_rows_out_are_refused(edges):
    class Made(RowSource):
        def read_part(self, k):
            return np.zeros((1, 2))

    with pytest.raises(ValueError, match="edges of rows must be integers that begin with 0"):
        Made("rows", edges, (2,), float)
    with pytest.raises(ValueError, match="feature_names must have a name for each of 2 features"):
        Made("rows", [0, 1], (2,), float, feature_names=["a"])


def test_files_are_known_by_their_first_bytes_in_every_form_of_a_path(X, tmp_path):
    path = write_parquet(X, tmp_path / "without_suffix")
    other = tmp_path / "rows.h5"
    other.write_bytes(b"\x89HDF")
    for kind in (str, Path):
        assert SMALL().fit(kind(path)).n_samples_seen_ == len(X)
        with pytest.raises(ValueError, match=r"path of a Parquet file.*rows.h5.*h5py.File"):
            SMALL().fit(kind(other))
    with pytest.raises(FileNotFoundError, match="No file or folder no_such_folder"):
        SMALL().fit("no_such_folder")


class Overwrite(Callback):
    """Change values of an array on disk once the first epoch has ended."""

    def __init__(self, array):
        self.array = array

    def on_epoch_end(self, net, **kwargs):
        self.array[:40, 4:] = 0.0


def test_a_change_in_any_chunk_of_features_is_found(X, tmp_path):
    array = as_zarr(X, tmp_path, chunks=(40, 3))
    model = SMALL(max_iter=2, callbacks=[Overwrite(array)])
    with pytest.raises(OSError, match=r"c/0/1 has changed during the fit: it holds rows 0 to 39"):
        model.fit(open_rows(array, max_memory="8kB"))


def test_of_chunks_that_are_read_together_the_one_that_fails_is_named(X, tmp_path):
    array = as_zarr(X, tmp_path, chunks=(40, 6))
    (tmp_path / "rows.zarr/c/3/0").write_bytes(b"no chunk")
    with pytest.raises(OSError, match=r"rows 120 to 159 of .*rows.zarr cannot be read"):
        SMALL().fit(array)


def test_sequences_of_color_images_are_read_from_disk(tmp_path):
    frames = np.random.default_rng(0).random((20, 4, 3, 3, 3))
    array = as_zarr(frames, tmp_path, chunks=(5, 4, 3, 3, 3))
    model = SequencePredictor(2, max_iter=1, random_state=0).fit(array)
    assert_allclose(model.predict(array), model.predict(frames), atol=1e-12)
    with pytest.raises(ValueError, match=r"got .*rows.zarr of shape \(20, 4, 3, 3, 3\)"):
        SMALL().fit(array)


# -- methods after fit ---------------------------------------------------------------------


def test_a_part_that_does_not_suit_a_method_is_named(fitted, X, tmp_path):
    rows = X.copy()
    rows[100, 0] = np.nan
    path = write_parquet(rows, tmp_path / "rows.parquet")
    with (
        pytest.warns(UserWarning, match="X has feature names"),
        pytest.raises(ValueError, match="row group 2 of .*rows.parquet: Input X contains NaN"),
    ):
        fitted.transform(path)
    lazy = fitted.transform(as_dask_array(rows, (60, 3)))
    with pytest.raises(ValueError, match="block 1 of the Dask array: Input X contains NaN"):
        lazy.compute()
    frame = SMALL().fit(as_dask_frame(X)).transform(as_dask_frame(rows))
    with pytest.raises(ValueError, match="partition 1 of the Dask DataFrame: Input X contains NaN"):
        frame.compute()


def test_blocks_of_which_a_filter_leaves_no_rows_have_results_without_rows(fitted, X):
    is_kept = np.arange(len(X)) >= 100
    rows = as_dask_array(X, (60, 6))
    codes = fitted.transform(rows[as_dask_array(is_kept, 60)])
    assert_allclose(codes.compute(), fitted.transform(X[is_kept]), atol=1e-12)
    assert fitted.score_samples(rows[:0]).compute().shape == (0,)
    frame = as_dask_frame(X)
    named = SMALL().fit(frame)
    codes = named.transform(frame.map_partitions(lambda part: part[part.index >= 100]))
    assert_allclose(codes.compute(), fitted.transform(X[is_kept]), atol=1e-12)


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean"])
def test_dask_frames_of_nullable_types_are_transformed(dtype, X):
    pytest.importorskip("pandas")
    frame = as_dask_frame(X.round() > 0).astype(dtype)
    named = SMALL().fit(frame)
    assert_allclose(named.transform(frame).compute(), named.transform(frame.compute()), atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "methods"),
    [
        (SequencePredictor(2, max_iter=1, random_state=0), ["transform", "predict"]),
        (SequenceAutoencoder(2, max_iter=1, random_state=0), ["score_samples", "reconstruct"]),
        (ReconstructionOutlierDetector(random_state=0), ["feature_scores"]),
    ],
)
def test_results_of_dask_arrays_are_lazy_whatever_a_row_is(estimator, methods, X):
    da = pytest.importorskip("dask.array")
    is_rows = isinstance(estimator, ReconstructionOutlierDetector)
    samples = X if is_rows else X.reshape(-1, 3, 2)
    estimator.fit(samples)
    for method in methods:
        lazy = getattr(estimator, method)(as_dask_array(samples, (50, *(1,) * (samples.ndim - 1))))
        assert isinstance(lazy, da.Array)
        assert_allclose(lazy.compute(), getattr(estimator, method)(samples), atol=1e-12)


# -- what is no rows -----------------------------------------------------------------------


def as_generator(X, folder):
    return (rows for rows in X)


def as_parquet_file(X, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.ParquetFile(write_parquet(X, folder / "a.parquet"))


def as_parquet_dataset(X, folder):
    dataset = pytest.importorskip("pyarrow.dataset")
    return dataset.dataset(write_parquet(X, folder / "a.parquet"))


def as_lazy_frame(X, folder):
    return pytest.importorskip("polars").LazyFrame(X)


def as_delayed(X, folder):
    return pytest.importorskip("dask.delayed").delayed(len)(X)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (as_generator, "got a generator: give an array, or to fit open_batches"),
        (as_parquet_file, "got a ParquetFile: give its path"),
        (as_parquet_dataset, "got a FileSystemDataset: give the path of its file or folder"),
        (as_lazy_frame, r"got a LazyFrame: give X.collect\(\)"),
        (as_delayed, r"got a Delayed: give X.compute\(\)"),
    ],
)
def test_what_holds_rows_in_another_form_is_refused_with_what_to_give(kind, match, X, tmp_path):
    with pytest.raises(TypeError, match=match):
        SMALL().fit(kind(X, tmp_path))


@pytest.mark.parametrize("estimator", [TableEncoder(), SeriesOutlierDetector()])
def test_tables_and_series_are_frames_in_memory_which_keep_names_and_times(estimator, X, tmp_path):
    path = write_parquet(X, tmp_path / "a.parquet")
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X))
    given = [
        (path, r"pandas.read_parquet"),
        (open_rows(path), r"X.load\(\)"),
        (as_dask_frame(X), r"X.compute\(\)"),
        (dataset, "an array of its samples"),
        (open_batches([X], 1), "give an array"),
    ]
    for held, match in given:
        with pytest.raises(TypeError, match=f"X must be an array or a frame in memory.*{match}"):
            estimator.fit(held)


class Samples(torch.utils.data.Dataset):
    """Rows of which one is something else, or cannot be read."""

    def __init__(self, X, number, sample):
        self.X, self.number, self.sample = X, number, sample

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        if i == self.number:
            return np.zeros(self.sample)
        return self.X[i]


@pytest.mark.parametrize("shape", [3, "no shape"])
def test_the_sample_of_a_dataset_that_cannot_be_read_is_named(shape, X):
    with pytest.raises(OSError, match="sample 133 of Samples cannot be read"):
        SMALL().fit(Samples(X, 133, shape))
