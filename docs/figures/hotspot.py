"""Draw a synthetic slide with its mitotic figures, their density, and the hotspot."""

import matplotlib.pyplot as plt
import pandas as pd

from stnclf.datasets import make_slide
from stnclf.displays import HotspotDisplay
from stnclf.scan import hotspots
from stnclf.slides import Slide

image, truth, mpp = make_slide((2400, 3600), n_mitoses=120, random_state=4)
slide = Slide(image, mpp=mpp)
cells = pd.DataFrame(truth)
label = "mitotic figure"
fields = hotspots(cells, slide, area_mm2=0.06, label=label)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.imshow(slide.thumbnail(900)[0])
left.set(xticks=[], yticks=[], title="slide")
HotspotDisplay.from_detections(cells, slide, fields=fields, label=label, sigma_um=60, ax=right)
right.set_title("mitotic figures and the field with most of them")
