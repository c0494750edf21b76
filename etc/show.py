"""The page of the instructor's demonstration, which Voila runs (`workbench.course.demo`)."""

import workbench as wb
from workbench.widgets.show import Show

wb.prepare_notebook()
Show()
