"""Made data against independent drawings and their own labels; loaders against their files."""

import sys
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor

from skae.datasets import (
    load_fashion_mnist,
    load_mnist,
    make_arena,
    make_healing_images,
    make_healing_sequences,
)

HEALING = [make_healing_images, make_healing_sequences]
LOADERS = [(load_mnist, "mnist_10k.npz"), (load_fashion_mnist, "fashion_mnist_3615.npz")]


@pytest.fixture(scope="module")
def digits():
    return load_digits().images


@pytest.fixture(scope="module")
def dark_digits(digits):
    """Digits below 0.95, so that nothing but a square is white."""
    return digits / 17


@pytest.fixture(scope="module")
def arena():
    return make_arena(1500, random_state=0)


def square_side(frames):
    """Side of the white square in the top-left corner, from the diagonal of each frame."""
    diagonal = np.diagonal(frames, axis1=-2, axis2=-1)
    return np.logical_and.accumulate(diagonal == 1, axis=-1).sum(axis=-1)


def turned(image, degrees):
    return ndimage.rotate(image, degrees, reshape=False, order=1, mode="grid-constant")


@pytest.mark.parametrize("max_angle", [180, 60])
def test_images_turn_as_scipy_turns_them(max_angle, digits):
    healing = make_healing_images(
        digits[:20], rotated=1, max_angle=max_angle, square=0, random_state=0
    )
    angles = np.random.RandomState(0).uniform(0, max_angle, 20)
    expected = [turned(image, angle) for image, angle in zip(digits / 16, angles, strict=False)]
    assert_allclose(healing, expected, atol=1e-5)


def test_images_rotate_in_the_asked_share(digits):
    healing = make_healing_images(digits, rotated=0.3, square=0, random_state=0)
    changed = (healing != np.float32(digits / 16)).any(axis=(1, 2))
    assert changed.sum() == round(0.3 * len(digits))


def test_a_square_covers_the_corner_and_nothing_else(dark_digits):
    healing = make_healing_images(dark_digits, rotated=0, square=1, square_size=3)
    assert (healing[:, :3, :3] == 1).all()
    expected = np.float32(dark_digits)
    expected[:, :3, :3] = 1
    assert_array_equal(healing, expected)


def test_random_squares_have_sides_from_one_pixel_to_half_the_image(dark_digits):
    healing = make_healing_images(dark_digits, square=1, square_size="random", random_state=0)
    assert_array_equal(np.unique(square_side(healing)), [1, 2, 3, 4])


def test_sequences_turn_one_step_a_frame_from_the_image_as_given(digits):
    sequences = make_healing_sequences(digits[:20], 5, square=0, random_state=0)
    rng = np.random.RandomState(0)
    steps = rng.uniform(10, 30, 20) * rng.choice([-1, 1], 20)
    assert_array_equal(sequences[:, 0], np.float32(digits[:20] / 16))
    for frames, image, step in zip(sequences, digits / 16, steps, strict=False):
        assert_allclose(frames, [turned(image, t * step) for t in range(5)], atol=1e-5)


def test_sequences_turn_both_ways(digits):
    one = np.repeat(digits[:1], 100, axis=0)
    sequences = make_healing_sequences(one, 2, angle_step=(90, 90), square=0, random_state=0)
    left = np.abs(sequences[:, 1] - np.rot90(sequences[0, 0])).max(axis=(1, 2)) < 1e-5
    right = np.abs(sequences[:, 1] - np.rot90(sequences[0, 0], -1)).max(axis=(1, 2)) < 1e-5
    assert (left ^ right).all()
    assert 30 < left.sum() < 70


def test_a_square_appears_and_goes_once_in_each_sequence(dark_digits):
    sequences = make_healing_sequences(dark_digits, square_size=3, random_state=0)
    present = square_side(sequences) == 3
    padded = np.pad(present, ((0, 0), (1, 1)))
    switches = (padded[:, 1:] != padded[:, :-1]).sum(axis=1)
    assert (switches == 2).all()
    assert not present.all(axis=1).any()


def test_squares_differ_in_start_and_duration(dark_digits):
    sequences = make_healing_sequences(dark_digits, 6, square_size=3, random_state=0)
    present = square_side(sequences) == 3
    assert_array_equal(np.unique(present.argmax(axis=1)), range(6))
    assert_array_equal(np.unique(present.sum(axis=1)), range(1, 6))


def test_growing_squares_grow_to_their_size_and_then_shrink(dark_digits):
    sequences = make_healing_sequences(dark_digits, 10, square_size=4, growing=True, random_state=0)
    side = square_side(sequences)
    steps = np.sign(np.diff(side, axis=1))
    assert (side.max(axis=1) == 4).all()
    # Once a square shrinks it never grows again.
    shrunk = np.maximum.accumulate(steps < 0, axis=1)
    assert not (shrunk & (steps > 0)).any()
    assert {1, 2, 3, 4} <= set(np.unique(side))


@pytest.mark.parametrize("make", HEALING)
def test_squares_appear_in_the_asked_share(make, dark_digits):
    healing = make(dark_digits, square=0.3, square_size=3, random_state=0)
    side = square_side(healing).reshape(len(healing), -1).max(axis=1)
    assert_array_equal(np.unique(side), [0, 3])
    assert (side == 3).sum() == round(0.3 * len(dark_digits))


@pytest.mark.parametrize("make", HEALING)
def test_a_seed_gives_the_same_healing_data_again(make, digits):
    assert_array_equal(make(digits, random_state=7), make(digits, random_state=7))
    assert (make(digits, random_state=7) != make(digits, random_state=8)).any()


@pytest.mark.parametrize("make", HEALING)
def test_the_same_seed_without_squares_gives_the_same_rotations(make, dark_digits):
    covered = make(dark_digits, square=1, square_size=3, random_state=3)
    clean = make(dark_digits, square=0, random_state=3)
    assert_array_equal(covered[..., 3:, :], clean[..., 3:, :])
    assert_array_equal(covered[..., :3, 3:], clean[..., :3, 3:])


@pytest.mark.parametrize("make", HEALING)
def test_healing_data_do_not_depend_on_the_chunks(make, digits, monkeypatch):
    expected = make(digits, random_state=0)
    monkeypatch.setattr("skae._arrays._ARITHMETIC_VALUES", 1000)
    assert_array_equal(make(digits, random_state=0), expected)


@pytest.mark.parametrize("make", HEALING)
@pytest.mark.parametrize(
    ("scale", "dtype"), [(255, np.uint8), (16, float), (1, np.float32), (1000, np.int64)]
)
def test_any_range_of_grey_becomes_zero_to_one(make, scale, dtype, digits):
    images = (digits * (scale / 16)).astype(dtype)
    healing = make(images, square=0, random_state=0)
    assert healing.dtype == np.float32
    assert healing.min() == 0
    assert healing.max() == 1


def test_dim_images_stay_dim(digits):
    dim = np.float32(digits / 32)
    assert_array_equal(make_healing_images(dim, rotated=0, square=0), dim)


@pytest.mark.parametrize("make", HEALING)
def test_the_given_images_stay_as_they_are(make, digits):
    images = np.float32(digits / 16)
    before = images.copy()
    make(images, square=1, random_state=0)
    assert_array_equal(images, before)


@pytest.mark.parametrize("make", HEALING)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 8, 9)), r"square.*\(3, 8, 9\)"),
        (np.zeros((3, 64)), r"square.*\(3, 64\)"),
        (np.zeros((3, 8, 8, 1)), r"square.*\(3, 8, 8, 1\)"),
        (np.full((3, 8, 8), -1.0), "Negative values.*images"),
        (np.full((3, 8, 8), np.nan), "images contains NaN"),
        (np.zeros((0, 8, 8)), "0 sample"),
    ],
)
def test_what_is_no_stack_of_square_images_is_refused(make, images, message):
    with pytest.raises(ValueError, match=message):
        make(images)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (make_healing_images, {"rotated": 1.1}),
        (make_healing_images, {"max_angle": -1}),
        (make_healing_images, {"square": "all"}),
        (make_healing_images, {"square_size": 9}),
        (make_healing_images, {"square_size": "large"}),
        (make_healing_sequences, {"square_size": 0}),
        (make_healing_sequences, {"n_timesteps": 1}),
        (make_healing_sequences, {"growing": "yes"}),
        (make_healing_sequences, {"angle_step": (30, 10)}),
        (make_healing_sequences, {"angle_step": 10}),
        (make_healing_sequences, {"angle_step": ("slow", "fast")}),
    ],
)
def test_a_parameter_out_of_range_is_named(make, parameters, digits):
    (name,) = parameters
    with pytest.raises(ValueError, match=name):
        make(digits, **parameters)


def test_positions_spread_evenly_over_a_disk(arena):
    # Of an even disk, a quarter lies within half its radius, and no side is preferred.
    radius = arena.distance.max()
    assert abs((arena.distance < radius / 2).mean() - 0.25) < 0.04
    assert_allclose(arena.position.mean(axis=0) / radius, 0, atol=0.04)


def test_distance_is_the_length_of_the_position(arena):
    assert_allclose(arena.distance, np.linalg.norm(arena.position, axis=1))


def test_directions_cover_the_circle_evenly(arena):
    counts, _ = np.histogram(arena.direction, bins=8, range=(-np.pi, np.pi))
    assert counts.sum() == len(arena.direction)
    assert counts.min() > 0.7 * counts.mean()


def test_the_head_is_where_position_and_direction_say(arena):
    for image, (x, y), angle in zip(
        arena.clean[:50], arena.position, arena.direction, strict=False
    ):
        row, column = ndimage.center_of_mass(image > 0.8)
        ahead = np.hypot(column - (24.5 + 23 * x), row - (24.5 - 23 * y))
        seen = np.arctan2(24.5 - 23 * y - row, column - 24.5 - 23 * x)
        assert 3 < ahead < 8
        assert abs(np.angle(np.exp(1j * (seen - angle)))) < 0.15


def test_the_animal_stays_off_the_wall(arena):
    # Everything from the wall outwards is the same in all images, but for the half pixel
    # over which edges fade.
    offset = np.arange(50) - 24.5
    wall = np.hypot(offset, offset[:, None]) > 0.95 * 23 + 0.5
    assert np.ptp(arena.clean[:, wall], axis=0).max() == 0
    assert np.ptp(arena.clean[:, ~wall], axis=0).max() > 0.8


def test_the_arena_has_six_ports():
    clean = make_arena(40, size=200, random_state=0).clean.max(axis=0)
    _, n_ports = ndimage.label(clean < 0.07)
    assert n_ports == 6


def test_noise_has_the_asked_strength():
    arena = make_arena(200, noise=0.05, random_state=0)
    # On the grey floor nothing is clipped.
    floor = arena.clean == 0.5
    assert_allclose((arena.images - arena.clean)[floor].std(), 0.05, rtol=0.02)
    assert arena.images.min() >= 0
    assert arena.images.max() <= 1


def test_without_noise_the_images_are_the_clean_ones():
    arena = make_arena(10, noise=0, random_state=0)
    assert_array_equal(arena.images, arena.clean)


def test_labels_depend_on_the_seed_alone():
    small = make_arena(20, size=16, noise=0, random_state=5)
    large = make_arena(20, size=40, noise=0.3, random_state=5)
    assert_array_equal(small.position, large.position)
    assert_array_equal(small.direction, large.direction)
    assert large.images.shape == (20, 40, 40)


def test_arena_images_do_not_depend_on_the_chunks(monkeypatch):
    expected = make_arena(25, random_state=0)
    monkeypatch.setattr("skae._arrays._ARITHMETIC_VALUES", 10_000)
    again = make_arena(25, random_state=0)
    assert_array_equal(again.images, expected.images)
    assert_array_equal(again.clean, expected.clean)


def test_a_code_of_sixteen_numbers_knows_direction_and_distance(arena):
    code = PCA(16, random_state=0).fit_transform(arena.images.reshape(1500, -1))
    truth = np.column_stack([np.sin(arena.direction), np.cos(arena.direction), arena.distance])
    neighbours = KNeighborsRegressor().fit(code[:1000], truth[:1000])
    scores = r2_score(truth[1000:], neighbours.predict(code[1000:]), multioutput="raw_values")
    assert scores.min() > 0.9


@pytest.mark.parametrize("parameters", [{"n_samples": 0}, {"size": 10}, {"noise": -0.1}])
def test_an_arena_parameter_out_of_range_is_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=name):
        make_arena(**parameters)


@pytest.fixture
def pictures(monkeypatch):
    """A few images with labels, and no SKAE_DATA."""
    monkeypatch.delenv("SKAE_DATA", raising=False)
    images = np.random.RandomState(0).randint(0, 256, (5, 28, 28), np.uint8)
    return images, np.arange(5, dtype=np.uint8)


def write_idx(path, array):
    """Write the format in which MNIST is published."""
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">i4")
    path.write_bytes(header.tobytes() + array.tobytes())


@pytest.mark.parametrize(("load", "file"), LOADERS)
def test_the_file_in_skae_data_is_loaded(load, file, pictures, tmp_path, monkeypatch):
    images, target = pictures
    np.savez(tmp_path / file, X=images, y=target)
    monkeypatch.setenv("SKAE_DATA", str(tmp_path))
    bunch = load()
    assert_array_equal(bunch.images, images)
    assert_array_equal(bunch.data, images.reshape(5, 784))
    assert_array_equal(bunch.target, target)
    assert len(bunch.target_names) == 10


def test_return_X_y_gives_rows_and_labels(pictures, tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist_10k.npz", X=pictures[0], y=pictures[1])
    monkeypatch.setenv("SKAE_DATA", str(tmp_path))
    X, y = load_mnist(return_X_y=True)
    assert_array_equal(X, pictures[0].reshape(5, 784))
    assert_array_equal(y, pictures[1])


def test_a_file_with_something_else_in_it_is_refused(pictures, tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist_10k.npz", X=pictures[0][:, :20], y=pictures[1])
    monkeypatch.setenv("SKAE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"mnist_10k.npz must hold X .*\(5, 20, 28\)"):
        load_mnist()


def test_a_file_without_the_arrays_is_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist_10k.npz", images=np.zeros(3))
    monkeypatch.setenv("SKAE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"must hold arrays X and y, got \['images'\]"):
        load_mnist()


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize(
    ("load", "name"), [(load_mnist, "MNIST"), (load_fashion_mnist, "FashionMNIST")]
)
def test_files_downloaded_earlier_are_read_training_images_first(load, name, pictures, tmp_path):
    """Torchvision finds its files in place and reads them: nothing is downloaded here."""
    images, target = pictures
    raw = tmp_path / "skae" / name / "raw"
    raw.mkdir(parents=True)
    for part, rows in (("train", slice(3)), ("t10k", slice(3, 5))):
        write_idx(raw / f"{part}-images-idx3-ubyte", images[rows])
        write_idx(raw / f"{part}-labels-idx1-ubyte", target[rows])
    bunch = load(data_home=tmp_path)
    assert bunch.images.dtype == np.uint8
    assert_array_equal(bunch.images, images)
    assert_array_equal(bunch.target, target)


@pytest.mark.usefixtures("pictures")
def test_a_missing_torchvision_is_answered_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision.datasets", raising=False)
    with pytest.raises(
        ImportError, match=r"(?s)is not installed.*pip install 'skae\[vision\]'.*SKAE_DATA"
    ):
        load_mnist()


@pytest.mark.usefixtures("pictures")
def test_a_broken_torchvision_is_answered_with_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    code = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(code)
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"(?s)RuntimeError: operator.*SKAE_DATA") as raised:
        load_fashion_mnist()
    assert "pip install 'skae" not in str(raised.value)


@pytest.mark.usefixtures("pictures")
def test_a_failed_download_is_answered_with_its_own_error(tmp_path, monkeypatch):
    def offline(root, train, download):
        raise URLError("no route to host")

    fake = SimpleNamespace(FashionMNIST=offline)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", fake)
    with pytest.raises(
        OSError, match=r"(?s)could not be downloaded.*no route to host.*fashion_mnist_3615\.npz"
    ) as raised:
        load_fashion_mnist(data_home=tmp_path)
    assert "install" not in str(raised.value)
