"""A table in R.

`mtcnn-cpp detect` writes CSV files, which R reads without a package. This script writes the table of a video
and runs an R script (Debian: `apt-get install r-base-core`), which prints and plots the score of each frame.
"""

import shutil
import subprocess
import sys
from pathlib import Path

R = """
faces <- read.csv("table_in_r.csv")
stopifnot(all(faces$success == 1))
cat(nrow(faces), "rows; columns:", head(names(faces), 9), "...\\n")
print(summary(faces$confidence))
widths <- aggregate(width ~ cut(timestamp, seq(0, 4, 1), right = FALSE), faces, mean)
names(widths) <- c("seconds", "mean_width")
print(widths)
png("table_in_r.png", width = 700, height = 320)
plot(faces$timestamp, faces$confidence, type = "l", xlab = "time, seconds", ylab = "confidence")
invisible(dev.off())
"""
run = {"check": True, "stdout": subprocess.DEVNULL}
subprocess.run(["mtcnn-cpp", "sample", "table_in_r.mp4", "--overwrite"], **run)
subprocess.run(["mtcnn-cpp", "detect", "table_in_r.mp4", "-o", "table_in_r.csv", "--quiet"], check=True)
Path("table_in_r.R").write_text(R, encoding="utf-8")
print(R.strip(), end="\n\n")
sys.stdout.flush()
if shutil.which("Rscript"):
    subprocess.run(["Rscript", "--vanilla", "table_in_r.R"], check=True)
else:
    print("Rscript was not found: the R script was not run")
