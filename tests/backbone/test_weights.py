import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

from ajuste_fino.backbone import build
from ajuste_fino.backbone.weights import digest, is_finite
from ajuste_fino.errors import UserError


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return mobilenet_v3_small().state_dict()


@pytest.fixture
def loaded(tmp_path, state):
    """Saves a content and builds the backbone with it; says whether it has the state's numbers, and the notes."""

    def load(content, suffix=".pth"):
        path = tmp_path / f"w{suffix}"
        save_file(content, path) if suffix == ".safetensors" else torch.save(content, path)
        backbone, notes = build("mobilenet_v3_small", str(path))
        own = backbone.net.state_dict()
        return all(torch.equal(tensor, own[name]) for name, tensor in features(state).items()), notes

    return load


def features(state):
    return {k: v for k, v in state.items() if k.startswith("features.")}


def put(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


PREFIXES = ["", "module.", "backbone.", "model.", "module.model.", "model.backbone.", "_orig_mod.", "module._orig_mod."]
PREFIXES += ["_orig_mod.module.", "ema.module.", "net.model._orig_mod.", "encoder_q.", "student.backbone.0."]


@pytest.mark.parametrize(("prefix", "suffix"), [(p, ".pth") for p in PREFIXES] + [(p, ".safetensors") for p in PREFIXES[:2]])
def test_prefixes_are_taken_off(loaded, state, prefix, suffix):
    assert loaded(put(prefix, state), suffix) == (True, [])


@pytest.mark.parametrize("part", ["module.", "_orig_mod.", "module._orig_mod.", "_fsdp_wrapped_module."])
def test_wrappers_of_a_part_of_the_network_are_taken_off(loaded, state, part):
    assert loaded({k.replace("features.", f"features.{part}"): v for k, v in state.items()}) == (True, [])


def test_what_lies_beside_the_network_is_named(loaded, state):
    same, notes = loaded(put("backbone.", state) | {"head.weight": torch.zeros(1)})
    assert same
    assert len(notes) == 1
    assert "head.weight" in notes[0]
    assert "extra.weight" in loaded({**state, "extra.weight": torch.zeros(1)})[1][0]


@pytest.mark.parametrize(
    "keys", ["state_dict", "model", "model_state_dict", "model_ema", "net", "params", "checkpoint state_dict"]
)
@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod."])
def test_envelopes_are_opened(loaded, state, keys, prefix):
    content = put(prefix, state)
    for key in reversed(keys.split()):
        content = {key: content, "epoch": 3, "rng": torch.zeros(2), "optimizer": {"state": {0: {"m": torch.zeros(2)}}}}
    assert loaded(content) == (True, [])


def shifted(state):
    return {name: tensor + 1 for name, tensor in state.items()}


@pytest.mark.parametrize(("meant", "other"), [("state_dict", "state_dict_ema"), ("model", "ema"), ("student", "teacher")])
def test_of_several_networks_the_trained_one_is_taken_and_named(loaded, state, meant, other):
    for content in ({meant: state, other: shifted(state)}, {other: shifted(state), meant: state}):
        same, notes = loaded(content)
        assert same
        assert f"{meant} is taken" in notes[0]


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("above", ["", "model."])
def test_a_wrapped_network_beside_the_same_network_is_another(loaded, state, wrapper, above):
    plain, wrapped = put(above, state), put(above + wrapper, shifted(state))
    for content in ({**plain, **wrapped}, {**wrapped, **plain}):
        same, notes = loaded(content)
        assert same
        assert len(notes) == 1
        assert f"{above.rstrip('.') or 'the one without a prefix'} is taken" in notes[0]
        assert f"{above}{wrapper}".rstrip(".") in notes[0]
    assert loaded({**plain, **put(above + wrapper, state)}) == (True, [])  # one network twice


def test_of_several_networks_none_is_guessed(loaded, state):
    assert loaded({"model": state, "model_ema": state}) == (True, [])  # one network twice
    with pytest.raises(UserError, match=r"several networks that fit \(a, b\)"):
        loaded({"a": state, "b": shifted(state)})


def test_the_classifier_may_be_missing_or_of_other_classes(loaded, state):
    assert "classifier.3.weight" in loaded(features(state))[1][0]
    assert "classifier.3.weight" in loaded({**state, "classifier.3.weight": torch.zeros(7, 1024)})[1][0]


def test_more_than_the_classifier_missing_is_an_error(loaded, state):
    lacking = {k: v for k, v in state.items() if k != "features.0.0.weight"}
    with pytest.raises(UserError, match=r"2 of the network(.|\n)*features.0.0.weight(.|\n)*shape \(3,\) instead of"):
        loaded({**lacking, "features.1.block.0.0.weight": torch.zeros(3)})


def test_names_that_do_not_fit_are_shown_beside_those_of_the_network(loaded):
    with pytest.raises(UserError) as caught:
        loaded({"\x1b[31mstem\n.weight": torch.zeros(1), "layer1.weight": torch.zeros(1)})
    message = str(caught.value)
    assert r"The file's first names: \x1b[31mstem\n.weight, layer1.weight" in message
    assert "The network's first names: features.0.0.weight" in message
    assert "\x1b" not in message


NAME = "features.1.block.0.1.running_var"


@pytest.mark.parametrize("name", ["features.0.0.weight", NAME])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused_by_name(loaded, state, name, bad):
    spoiled = {**state, name: state[name].clone()}
    spoiled[name].view(-1)[-1] = bad
    with pytest.raises(UserError, match=f"finite numbers, and model.{name} has"):
        loaded(put("model.", spoiled))


@pytest.mark.parametrize(
    "bad",
    [
        lambda t: t * float("nan"),
        lambda t: t * float("inf"),
        lambda t: t.to(torch.int8),
        lambda t: t.to_sparse(),
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_old_classifier_is_not_judged(loaded, state, bad):
    for name in ("classifier.0.bias", "classifier.3.weight"):
        assert loaded({**state, name: bad(state[name])})[0]


def test_weights_that_are_all_zero_are_told(loaded, state):
    one = {**state, "features.0.0.weight": torch.zeros_like(state["features.0.0.weight"])}
    assert "all zero in 1 layer;" in loaded(one)[1][0]
    assert "\n  features.0.0.weight" in loaded(put("model.", one))[1][0].replace("model.", "")
    assert loaded({**state, "classifier.3.weight": torch.zeros(1000, 1024)})[1] == []  # which is replaced
    assert loaded({**state, "features.0.1.weight": torch.zeros(16)})[1] == []  # as training may begin


@pytest.mark.parametrize("factor", [1e30, 1e34])
def test_weights_whose_features_are_not_finite_are_refused(loaded, state, factor):
    large = {k: v * factor if v.ndim > 1 else v for k, v in state.items()}
    with pytest.raises(UserError, match="weights of mobilenet_v3_small must give finite features"):
        loaded(large)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_other_precisions_are_read(loaded, state, dtype):
    torch_state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    assert loaded(torch_state)[1] == []
    if dtype == torch.float64:
        with pytest.raises(UserError, match="finite numbers"):  # in float32 it is infinite
            loaded({**torch_state, NAME: torch_state[NAME] + 1e300})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("int8", lambda t: (100 * t).to(torch.int8)),
        ("complex64", lambda t: t.to(torch.complex64)),
        ("sparse", lambda t: t.to_sparse()),
        ("meta", lambda t: t.to("meta")),
        ("quantized", lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_plain_fractions_are_refused_by_name(loaded, state, kind, change):
    with pytest.raises(UserError, match=f"features.0.0.weight is .*{kind}"):
        loaded({**state, "features.0.0.weight": change(state["features.0.0.weight"])})


@pytest.mark.parametrize(("numbers", "finite"), [([1.0], True), ([3e38, 3e38], True), ([], True), ([0.0, float("nan")], False)])
def test_finite_is_what_has_no_other_number(numbers, finite):
    assert is_finite(torch.tensor(numbers)) == finite
    assert is_finite(torch.tensor([float("inf"), -float("inf")])) is False


def test_digest_sees_every_bit_of_parameters_and_buffers():
    module = torch.nn.BatchNorm2d(3)
    seen = {digest(module)}
    module.running_mean[1] += 1e-7
    seen.add(digest(module))
    module.num_batches_tracked += 1
    seen.add(digest(module))
    with torch.no_grad():
        module.weight[0] = -module.weight[0]
    seen.add(digest(module))
    assert len(seen) == 4
