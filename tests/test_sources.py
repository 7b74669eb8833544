"""Rows that need not fit into memory: read part by part, with the results of rows in memory."""

import os
import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skae import Autoencoder, AutoencoderClassifier, Denoiser, HybridAutoencoder
from skae._engine.data import TrainingSet
from skae._engine.streaming import StreamedData
from skae.networks.standardization import Standardization
from skae.sources import RowSource, open_rows

SMALL = partial(Autoencoder, n_components=4, batch_size=200, max_iter=2, random_state=0)
# A sixth of the digits in single precision.
MEMORY = "75kB"


class Pieces(RowSource):
    """Rows of an array in parts, which remembers how many it gave at a time."""

    def __init__(self, X, part_rows=20, max_memory=MEMORY):
        # In a list: a fit reads by a copy of the source.
        self.X, self.sizes = X, []
        edges = np.append(np.arange(0, len(X), part_rows), len(X))
        super().__init__("pieces", edges, X.shape[1:], X.dtype, max_memory=max_memory)

    def read_part(self, k):
        rows = self.X[self.edges[k] : self.edges[k + 1]]
        self.sizes.append(len(rows))
        return rows


@pytest.fixture(scope="module")
def X(digits):
    return digits.astype(np.float32)


def as_zarr(X, folder):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(folder / "rows.zarr", shape=X.shape, chunks=(50, 64), dtype=X.dtype)
    array[:] = X
    return array


def as_hdf5(X, folder):
    h5py = pytest.importorskip("h5py")
    return h5py.File(folder / "rows.h5", "w").create_dataset("rows", data=X, chunks=(50, 64))


def as_parquet(X, folder, n_files=3):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = folder / "parquet"
    folder.mkdir()
    for i, rows in enumerate(np.array_split(X, n_files)):
        table = pa.table({f"p{j:02}": rows[:, j] for j in range(X.shape[1])})
        pq.write_table(table, folder / f"part-{i}.parquet", row_group_size=50)
    return folder


def as_dask_array(X, folder):
    return pytest.importorskip("dask.array").from_array(X, chunks=(50, 32))


def as_dask_frame(X, folder):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    return dd.from_pandas(pd.DataFrame(X).add_prefix("p"), chunksize=50)


def as_dataset(X, folder):
    return torch.utils.data.TensorDataset(torch.from_numpy(X), torch.zeros(len(X)))


KINDS = [as_zarr, as_hdf5, as_parquet, as_dask_array, as_dask_frame, as_dataset]


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_fits_into_memory_trains_as_the_same_array(kind, X, tmp_path):
    X = X[:300]
    autoencoder = SMALL(max_iter=1).fit(kind(X, tmp_path))
    expected = SMALL(max_iter=1).fit(X)
    assert_array_equal(autoencoder.history_[0]["valid_loss"], expected.history_[0]["valid_loss"])
    assert autoencoder.n_samples_seen_ == 300


@pytest.mark.parametrize("kind", KINDS)
def test_any_rows_of_a_source_are_those_of_the_array(kind, X, tmp_path):
    source = open_rows(kind(X[:330], tmp_path), max_memory=MEMORY)
    assert source.shape == (330, 64)
    assert source.dtype == np.float32
    chosen = [0, 49, 50, 51, 300, 329]
    assert_array_equal(source[chosen], X[chosen])
    assert_array_equal(np.concatenate(list(source.parts())), X[:330])


def test_training_on_parts_learns_what_training_on_the_array_does(X):
    # Sorted, so that a buffer of neighbors would be unlike the rest.
    X = X[np.argsort(X[:, 20])]
    source = Pieces(X, part_rows=4)
    fit = partial(Autoencoder, 4, max_iter=8, random_state=0)
    streamed, expected = fit().fit(source), fit().fit(X)
    assert max(source.sizes) == 4
    assert 1 - streamed.score(X) < 1.02 * (1 - expected.score(X))


def streamed(X, held_out=(), **parts):
    units = Standardization(torch.zeros(X.shape[1]), 1.0)
    source = X if isinstance(X, RowSource) else Pieces(X)
    device = torch.device("cpu")
    return StreamedData(TrainingSet(source, **parts), units, units, device, np.array(held_out, int))


def one_pass(data, batch_size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(data.batches(batch_size, generator=generator))


def rows_of(batches):
    return torch.cat([inputs for inputs, _ in batches]).numpy()


def in_order(rows):
    return rows[np.lexsort(rows.T)]


def test_a_pass_gives_every_row_once_but_those_that_are_held_out(X):
    held_out = [0, 19, 20, 500, 1796]
    batches = one_pass(streamed(X, held_out), 100)
    assert [len(inputs) for inputs, _ in batches] == [100] * 17 + [92]
    assert_array_equal(in_order(rows_of(batches)), in_order(np.delete(X, held_out, axis=0)))


def test_a_last_batch_of_one_row_joins_the_one_before(X):
    sizes = [len(inputs) for inputs, _ in one_pass(streamed(X), 898)]
    assert sizes == [898, 899]


def test_the_order_depends_on_the_generator_alone(X):
    first, again, other = (rows_of(one_pass(streamed(X), 100, seed)) for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_of_sorted_rows_come_from_all_of_the_data():
    X = np.arange(4000, dtype=np.float32)[:, None]
    source = Pieces(X, part_rows=10, max_memory=4 * 4 * 400)
    means = [inputs.mean().item() for inputs, _ in one_pass(streamed(source), 200)]
    # Of 200 rows at random the mean has a standard deviation of 82.
    assert np.ptp(means) < 400


def test_labels_weights_and_targets_stay_with_their_rows(X):
    labels, weights = np.arange(len(X))[:, None], 1.0 + np.arange(len(X))
    data = streamed(X, [3], labels=labels, weights=weights, X_target=X + 1)
    for inputs, target in one_pass(data, 100):
        rows = target.labels[:, 0].numpy()
        assert_array_equal(inputs.numpy(), X[rows])
        assert_allclose(target.rows.numpy(), X[rows] + 1)
        assert_allclose(target.weights.numpy(), weights[rows] / weights.mean(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_far_from_zero_are_standardized_as_exactly_as_in_memory(dtype):
    X = (1e6 + np.random.default_rng(0).random((400, 8))).astype(dtype)
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(8, 3, dtype=torch.float64, generator=generator)).Q
    for units in (
        Standardization(torch.from_numpy(X.mean(axis=0)), 0.3),
        Standardization(torch.from_numpy(X.mean(axis=0)), 0.3, basis=basis),
    ):
        data = StreamedData(
            TrainingSet(Pieces(X)), units, units, torch.device("cpu"), np.array([], int)
        )
        expected = units.standardize(torch.from_numpy(X).double()).numpy()
        rows = rows_of(one_pass(data, 100))
        assert_allclose(in_order(rows), in_order(expected), atol=2e-6)


def test_bytes_are_kept_as_bytes_and_trained_on_as_numbers(X):
    data = streamed(np.round(255 * X).astype(np.uint8))
    assert_array_equal(in_order(rows_of(one_pass(data, 100))), in_order(np.round(255 * X)))


class Killed(Exception):
    pass


class Kill(Callback):
    """End a fit in its last epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == net.max_epochs:
            raise Killed


def test_fit_continues_from_a_checkpoint_with_the_same_result_or_refuses_other_rows(X, tmp_path):
    fit = partial(SMALL, max_iter=3)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        fit(checkpoint=path, callbacks=[Kill()]).fit(Pieces(X))
    with pytest.raises(ValueError, match="another fit: X was"):
        fit(checkpoint=path).fit(Pieces(X + 1))
    continued = fit(checkpoint=path).fit(Pieces(X))
    assert_array_equal(continued.transform(X), fit().fit(Pieces(X)).transform(X))


def test_a_classifier_learns_from_parts(X):
    y = np.arange(len(X)) % 3
    X = X.copy()
    X[np.arange(len(X)), 10 * y] += 3
    model = AutoencoderClassifier(4, batch_size=50, max_iter=3, random_state=0)
    assert model.fit(Pieces(X), y).score(X, y) > 0.95


def test_a_denoiser_reads_pairs_from_two_sources(X):
    noisy = X + np.random.default_rng(0).normal(0, 0.2, X.shape).astype(np.float32)
    model = Denoiser(max_iter=3, batch_size=50, random_state=0)
    model.fit(Pieces(noisy), X_target=Pieces(X))
    assert np.mean((model.transform(noisy) - X) ** 2) < 0.5 * np.mean((noisy - X) ** 2)


def test_images_of_a_source_are_images(digit_images, tmp_path):
    h5py = pytest.importorskip("h5py")
    images = h5py.File(tmp_path / "images.h5", "w").create_dataset("images", data=digit_images)
    model = SMALL(architecture="dense").fit(open_rows(images, max_memory=MEMORY))
    assert model.image_shape_ == (8, 8, 1)
    assert model.reconstruct(images).shape == digit_images.shape
    assert_allclose(model.transform(images), model.transform(digit_images), atol=1e-5)


def test_the_columns_of_parquet_files_are_features_with_names(X, tmp_path):
    pd = pytest.importorskip("pandas")
    folder = as_parquet(X, tmp_path)
    model = SMALL().fit(str(folder))
    assert list(model.feature_names_in_[:2]) == ["p00", "p01"]
    frame = pd.DataFrame(X, columns=model.feature_names_in_)
    assert_allclose(model.score_samples(folder), model.score_samples(frame), rtol=1e-5)
    two = SMALL(n_components=1).fit(open_rows(folder, columns=["p20", "p21"], max_memory="10kB"))
    assert list(two.feature_names_in_) == ["p20", "p21"]
    with pytest.raises(ValueError, match="feature names should match"):
        two.transform(open_rows(folder, columns=["p21", "p20"]))


def test_columns_of_several_types_and_nulls_are_numbers(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    mixed = {"a": pa.array([1, None, 3], pa.int32()), "b": pa.array([0.5, 1.5, None])}
    pq.write_table(pa.table(mixed), tmp_path / "mixed.parquet", row_group_size=2)
    expected = [[1, 0.5], [np.nan, 1.5], [3, np.nan]]
    assert_array_equal(open_rows(tmp_path / "mixed.parquet").load(), expected)
    truth = {"a": [True, False, True], "b": [False, False, True]}
    pq.write_table(pa.table(truth), tmp_path / "truth.parquet")
    assert_array_equal(open_rows(tmp_path / "truth.parquet").load(), [[1, 0], [0, 0], [1, 1]])


def test_what_is_kept_of_parquet_files_has_a_limit(X, tmp_path):
    folder = as_parquet(X, tmp_path, n_files=8)
    few, all_files = open_rows(folder, max_memory="4MB"), open_rows(folder, max_memory="1GB")
    assert_array_equal(few.load(), all_files.load())
    assert 0 < len(few.metadata) < len(all_files.metadata) == 8
    assert few.metadata_bytes <= 1_000_000


def test_an_estimator_fitted_on_a_source_is_pickled_without_it(X):
    model = SMALL().fit(Pieces(X))
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))


def test_reading_ends_with_the_fit(X):
    SMALL().fit(Pieces(X))
    assert not [t for t in threading.enumerate() if t.name.startswith("skae-read")]


# -- what goes wrong -----------------------------------------------------------------------------


def fails_and_changes_nothing(X, source, error, match, **parameters):
    """Fit an estimator that was fitted before, and see that it is as it was."""
    model = SMALL().fit(X)
    before = model.transform(X)
    model.set_params(**parameters)
    with pytest.raises(error, match=match):
        model.fit(source)
    assert_array_equal(model.transform(X), before)
    assert not [t for t in threading.enumerate() if t.name.startswith("skae-read")]


def test_a_chunk_that_cannot_be_read_is_named(X, tmp_path):
    array = as_zarr(X, tmp_path)
    (tmp_path / "rows.zarr/c/7/0").write_bytes(b"no chunk")
    source = open_rows(array, max_memory=MEMORY)
    fails_and_changes_nothing(X, source, OSError, "rows 350 to 399 of .*rows.zarr cannot be read")


class Change(Callback):
    """Change a file once the first epoch has ended."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        os.utime(self.path, ns=(1, 1))


class Remove(Change):
    """Remove a file once the first epoch has ended."""

    def on_epoch_end(self, net, **kwargs):
        self.path.unlink()


def test_a_file_that_changes_between_epochs_is_named_and_the_checkpoint_stays(X, tmp_path):
    folder, path = as_parquet(X, tmp_path), tmp_path / "checkpoint.pt"
    source = open_rows(folder, max_memory=MEMORY)
    fails_and_changes_nothing(
        X,
        source,
        OSError,
        "part-1.parquet has changed",
        callbacks=[Change(folder / "part-1.parquet")],
        checkpoint=path,
    )
    continued = SMALL(checkpoint=path).fit(source)
    assert_array_equal(continued.transform(source), SMALL().fit(source).transform(source))


def test_a_file_of_another_type_is_named(X, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    folder = as_parquet(X, tmp_path)
    table = pq.read_table(folder / "part-1.parquet")
    text = table.set_column(3, "p03", table.column("p03").cast("string"))
    pq.write_table(text, folder / "part-1.parquet")
    match = "part-1.parquet must have column 'p03' of type float, as the first file has, got string"
    fails_and_changes_nothing(X, folder, ValueError, match)


def test_a_block_of_another_type_is_named(X):
    da = pytest.importorskip("dask.array")

    def change(block, block_info=None):
        return block.astype(int) if block_info[0]["chunk-location"][0] == 5 else block

    rows = da.from_array(X, chunks=(50, 64)).map_blocks(change, dtype=X.dtype)
    source = open_rows(rows, max_memory=MEMORY)
    fails_and_changes_nothing(X, source, ValueError, "block 5 .* type float32, .* int64")


def test_a_partition_of_text_is_named(X):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")

    def change(frame):
        # Text that reads as numbers.
        return frame.astype({"p3": str}) if len(frame) and frame.index[0] == 100 else frame

    frame = pd.DataFrame(X).add_prefix("p")
    source = dd.from_pandas(frame, chunksize=50).map_partitions(change, meta=frame[:0])
    match = r"partition 2 of the Dask DataFrame cannot be read.* column\(s\) 'p3' \(str\)"
    fails_and_changes_nothing(X, source, OSError, match)


def test_a_file_that_is_removed_between_epochs_is_named_with_its_row_group(X, tmp_path):
    folder = as_parquet(X, tmp_path)
    source, path = open_rows(folder, max_memory=MEMORY), folder / "part-1.parquet"
    match = "row group .* of .*part-1.parquet cannot be read"
    fails_and_changes_nothing(X, source, OSError, match, callbacks=[Remove(path)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("memory", [MEMORY, "1GB"], ids=["read in parts", "read at once"])
def test_values_that_are_no_numbers_are_found_in_their_row_group(memory, value, X, tmp_path):
    spoiled = X.copy()
    spoiled[700] = value
    source = open_rows(as_parquet(spoiled, tmp_path), max_memory=memory)
    fails_and_changes_nothing(X, source, ValueError, "row group 2 of .*part-1.parquet.* contains")


def test_values_outside_the_loss_are_found_in_their_part(X):
    spoiled = X.copy()
    spoiled[45] = 2
    match = "rows 40 to 59 of pieces with values from .* to 2"
    fails_and_changes_nothing(X, Pieces(spoiled), ValueError, match, loss="bce")


def test_too_little_memory_names_the_part_and_what_is_needed(X):
    match = r"rows 0 to 499 of pieces: 128000 bytes .* max_memory=512000\)"
    fails_and_changes_nothing(X, Pieces(X, part_rows=500), ValueError, match)
    SMALL(max_iter=1).fit(Pieces(X, part_rows=500, max_memory=512000))


def test_estimators_that_need_all_rows_say_so(X):
    match = "X must be in memory for HybridAutoencoder, got pieces of 460032 bytes"
    with pytest.raises(ValueError, match=match):
        HybridAutoencoder(2).fit(Pieces(X))
    with pytest.raises(ValueError, match="X must be in memory for Autoencoder"):
        SMALL().partial_fit(Pieces(X))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("no_such_file.parquet", FileNotFoundError, "No file or folder no_such_file"),
        (Path("no_such_folder"), FileNotFoundError, "No file or folder no_such_folder"),
        (3, TypeError, "X must be a path"),
        (torch.utils.data.TensorDataset(torch.zeros(0, 3)), TypeError, "one sample or more"),
    ],
)
def test_what_is_no_source_is_refused(given, error, match):
    with pytest.raises(error, match=match):
        open_rows(given)


def test_the_path_of_another_kind_of_file_is_refused_with_what_to_do(X, tmp_path):
    path = tmp_path / "digits.csv"
    np.savetxt(path, X[:5], delimiter=",")
    with pytest.raises(ValueError, match="path of a Parquet file.*digits.csv.*pandas.read_csv"):
        SMALL().fit(str(path))


def test_a_path_that_does_not_exist_is_no_data_either():
    with pytest.raises(FileNotFoundError, match="No file or folder no_such_folder"):
        SMALL().fit(Path("no_such_folder"))


def test_a_frame_without_rows_is_refused(X):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    frame = dd.from_pandas(pd.DataFrame(X[:9]).add_prefix("p"), npartitions=2)
    with pytest.raises(ValueError, match="the Dask DataFrame must hold rows, got none"):
        SMALL().fit(frame[frame.p0 > 1e6])


def as_group(X, folder):
    zarr = pytest.importorskip("zarr")
    return zarr.open_group(folder / "group.zarr", mode="w")


def as_file(X, folder):
    return pytest.importorskip("h5py").File(folder / "file.h5", "w")


def as_loader(X, folder):
    return torch.utils.data.DataLoader(as_dataset(X, folder), batch_size=50)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (as_group, "got a Group: give one of its arrays"),
        (as_file, "got a File: give one of its data sets"),
        (as_loader, r"got a DataLoader: give .*open_batches\(X"),
    ],
)
def test_what_only_holds_rows_is_refused_with_what_to_give(kind, match, X, tmp_path):
    with pytest.raises(TypeError, match=match):
        SMALL().fit(kind(X, tmp_path))


def test_the_path_of_a_zarr_group_and_a_closed_file_are_refused(X, tmp_path):
    as_group(X, tmp_path)
    with pytest.raises(OSError, match="group.zarr is no zarr array"):
        SMALL().fit(tmp_path / "group.zarr")
    rows = as_hdf5(X, tmp_path)
    rows.file.close()
    with pytest.raises(ValueError, match="HDF5 file that is open"):
        SMALL().fit(rows)


def test_a_source_of_one_row_is_refused_as_an_array_of_one_row_is(X):
    with pytest.raises(ValueError, match="minimum of 2 is required by Autoencoder"):
        SMALL().fit(Pieces(X[:1]))


def test_floats_of_sixteen_bits_are_read_as_float32(X, tmp_path):
    tensor = torch.from_numpy(X[:20]).bfloat16()
    source = open_rows(torch.utils.data.TensorDataset(tensor))
    assert_array_equal(source[:], tensor.float())
    source = open_rows(as_hdf5(X.astype(np.float16), tmp_path))
    assert source[:].dtype == np.float32
    assert_array_equal(source[:], X.astype(np.float16))


def test_a_chunk_that_is_lost_between_epochs_is_named(X, tmp_path):
    # zarr itself would read zeros.
    source = open_rows(as_zarr(X, tmp_path), max_memory=MEMORY)
    lost = Remove(tmp_path / "rows.zarr/c/7/0")
    match = "rows.zarr has changed during the fit: rows 350 to 399"
    fails_and_changes_nothing(X, source, OSError, match, callbacks=[lost])


@pytest.mark.parametrize("rows", [[3, 1], [-1, 2], [0, 1797], [True, False], [0.5]])
def test_indices_that_are_not_sorted_rows_are_refused(rows, X):
    with pytest.raises(IndexError, match="sorted indices from 0 to 1796"):
        Pieces(X)[rows]


def test_a_search_over_a_source_says_what_it_needs(X):
    search = GridSearchCV(SMALL(), {"n_components": [1, 2]}, cv=2)
    with pytest.raises(IndexError, match=r"searches and other splits take source\.load\(\)"):
        search.fit(Pieces(X))


@pytest.mark.parametrize("max_memory", ["much", "-1", 0, "10 parsecs", None])
def test_an_amount_of_memory_is_a_number_of_bytes(max_memory, X):
    with pytest.raises(ValueError, match="max_memory must be a number of bytes"):
        Pieces(X, max_memory=max_memory)


def test_a_folder_without_parquet_files_and_columns_of_text_are_refused(X, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    with pytest.raises(ValueError, match="must hold files"):
        open_rows(tmp_path)
    pq.write_table(pa.table({"a": [1.0], "name": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"'name' \(string\).*columns="):
        open_rows(tmp_path)
    with pytest.raises(ValueError, match="columns must be among"):
        open_rows(tmp_path, columns=["b"])
    with pytest.raises(
        TypeError, match=r"columns must be a sequence of names, got 'a': give \['a'\]"
    ):
        open_rows(tmp_path, columns="a")
    with pytest.raises(ValueError, match="columns must have names of their own"):
        open_rows(tmp_path, columns=["a", "a"])
    (tmp_path / "a.parquet").write_text("no table", encoding="utf-8")
    with pytest.raises(OSError, match="a.parquet cannot be read: ArrowInvalid"):
        open_rows(tmp_path)
