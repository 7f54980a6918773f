"""The explorer: a page in the browser that shows a detection from the picture down to one value's sum, of one
trace or of two side by side. Needs the extra `explore`.

`source` opens, `server` answers, `serve` runs it on this machine only; `page` is what the browser gets.
"""
