"""The label formats by name, from the general to the particular: the last that fits a path wins."""

from __future__ import annotations

from toolkit.data.readers.base import Format
from toolkit.data.readers.celeba import CELEBA
from toolkit.data.readers.coco import COCO
from toolkit.data.readers.cvat import CVAT
from toolkit.data.readers.fiftyone import FIFTYONE
from toolkit.data.readers.folder import FOLDER
from toolkit.data.readers.huggingface import HUGGINGFACE
from toolkit.data.readers.imagefolder import IMAGEFOLDER
from toolkit.data.readers.labelme import LABELME
from toolkit.data.readers.labelstudio import LABEL_STUDIO
from toolkit.data.readers.nus_wide import NUS_WIDE
from toolkit.data.readers.table import TABLE
from toolkit.data.readers.via import VIA
from toolkit.data.readers.voc import VOC
from toolkit.data.readers.webdataset import WEBDATASET
from toolkit.data.readers.yolo import YOLO

FORMATS: dict[str, Format] = {
    "folder": FOLDER,
    "imagefolder": IMAGEFOLDER,
    "csv": TABLE,
    "celeba": CELEBA,
    "nus-wide": NUS_WIDE,
    "webdataset": WEBDATASET,
    "huggingface": HUGGINGFACE,
    "coco": COCO,
    "yolo": YOLO,
    "voc": VOC,
    "fiftyone": FIFTYONE,
    "label-studio": LABEL_STUDIO,
    "cvat": CVAT,
    "labelme": LABELME,
    "via": VIA,
}
