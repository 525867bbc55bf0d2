"""Which networks of timm can be cut: at their default layer, and into a trunk and a tail before a block in the middle.

    python scripts/try_timm.py            # the list below, a network of each family
    python scripts/try_timm.py vit_tiny_patch16_224 mixer_b16_224

A network that is built here has been compared, on one image, with the same network uncut: `Backbone` refuses to be made, and
`split` to divide, where the two differ. Weights are random, so that nothing is downloaded.
"""

import sys
import time
import warnings
from collections.abc import Iterable

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ajuste_fino.backbone import Backbone, build

NAMES = """
bat_resnext26ts beit_base_patch16_224 botnet26t_256 caformer_s18 cait_xxs24_224 coat_tiny coatnet_0_rw_224 convit_tiny
convmixer_768_32 convnext_atto convnextv2_atto crossvit_tiny_240 cs3darknet_s cspresnet50 davit_tiny deit_tiny_patch16_224
deit_tiny_distilled_patch16_224 densenet121 dla34 dpn68 eca_resnet33ts edgenext_xx_small efficientformer_l1
efficientformerv2_s0 efficientnet_b0 efficientnet_lite0 efficientvit_b0 efficientvit_m0 ese_vovnet19b_dw eva02_tiny_patch14_224
fastvit_t8 fbnetc_100 focalnet_tiny_srf gcvit_xxtiny gernet_s ghostnet_050 gmixer_12_224 gmlp_ti16_224 hardcorenas_a hgnet_tiny
hgnetv2_b0 hiera_tiny_224 hrnet_w18_small inception_next_atto inception_resnet_v2 inception_v3 inception_v4 lcnet_050
levit_128s mambaout_femto maxvit_tiny_tf_224 mixer_s16_224 mixnet_s mnasnet_small mobilenetv1_100 mobilenetv2_050
mobilenetv3_small_050 mobilenetv4_conv_small mobilenetv4_hybrid_medium mobileone_s0 mobilevit_xxs mobilevitv2_050 mvitv2_tiny
nasnetalarge nest_tiny nextvit_small nf_regnet_b0 nfnet_f0 pit_ti_224 pnasnet5large poolformer_s12 pvt_v2_b0 regnetx_002
regnety_002 regnetz_005 repghostnet_050 repvgg_a0 repvit_m0_9 res2net50_14w_8s resmlp_12_224 resnest14d resnet18 resnetv2_50
resnext50_32x4d rexnet_100 rexnetr_100 seresnet18 selecsls42 semnasnet_050 sequencer2d_s shvit_s1 skresnet18 spnasnet_100
starnet_s1 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tf_efficientnet_b0 tf_efficientnet_lite0
tf_efficientnetv2_b0 tf_mixnet_s tf_mobilenetv3_small_075 tiny_vit_5m_224 tinynet_e tnt_s_patch16_224 tresnet_m twins_svt_small
vgg11 visformer_tiny vit_tiny_patch16_224 vit_small_patch16_rope_224 volo_d1_224 vovnet39a xception41 xcit_nano_12_p16_224
""".split()  # noqa: SIM905  # a list of names reads better as text


def main() -> None:
    names = sys.argv[1:] or NAMES
    table = Table("timm/…", "features", "cut after", "trunk | tail before", "blocks that divide it", "seconds")
    works = divides = 0
    for name in track(names, "Cutting"):
        begun = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                backbone, _ = build(f"timm/{name}", "none")
                cells, middle = _divided(backbone)
        except Exception as error:  # whatever a network's code runs into is what this script is about
            table.add_row(name, "–", f"{type(error).__name__}: {str(error)[:60]}", "", "", "")
            continue
        works, divides = works + 1, divides + middle
        layer = backbone.spec.layer or "classifier's input"
        table.add_row(name, f"{backbone.num_features:,}", layer, *cells, f"{time.perf_counter() - begun:.1f}")
    Console(width=140).print(table)
    print(f"{works} of {len(names)} are cut at their end, {divides} also in their middle")


def _divided(backbone: Backbone) -> tuple[tuple[str, str], bool]:
    """The middle block, if the network can be divided there, how many blocks of all serve, and whether the middle one does."""
    blocks = backbone.blocks[1:]
    good = [name for name in blocks if backbone.can_begin_at(name)]
    middle = nearest_to_middle(blocks, good)
    return (middle or "–", f"{len(good)} of {len(blocks)}"), middle is not None


def nearest_to_middle(blocks: list[str], good: Iterable[str]) -> str | None:
    place = {name: abs(n - len(blocks) / 2) for n, name in enumerate(blocks)}
    return min(good, key=lambda name: place[name], default=None)


if __name__ == "__main__":
    main()
