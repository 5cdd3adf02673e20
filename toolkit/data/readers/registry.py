"""The label formats by name, in the order in which they are asked whether they know a path."""

from __future__ import annotations

from toolkit.data.readers.base import Format
from toolkit.data.readers.coco import COCO
from toolkit.data.readers.folder import FOLDER
from toolkit.data.readers.imagefolder import IMAGEFOLDER
from toolkit.data.readers.table import TABLE
from toolkit.data.readers.voc import VOC
from toolkit.data.readers.yolo import YOLO

FORMATS: dict[str, Format] = {
    "voc": VOC,
    "yolo": YOLO,
    "coco": COCO,
    "csv": TABLE,
    "imagefolder": IMAGEFOLDER,
    "folder": FOLDER,
}
