"""The contact sheet: rows of the ledger in, one page that opens from disk out.

    page = write(folder, SheetData(manifest="shop", typed="jobs/shop.yaml", assets=rows, ...), find)   # writing.py
    write_index(folder, rows)                                                                          # index.py

`build(data) -> Sheet` (build.py) is pure: every asset with its story, what is missing by cause. `render(sheet, seen)`
(page.py) is the page's text. *find* says where a picture's bytes are. The caller gathers the rows: nothing here reads
the ledger.
"""
