"""The report's figures as inline SVG text. They draw numbers that they are given, and compute no rate or interval.

Every figure is drawn once in the light palette; the SVG's tree is then rewritten (`inline_svg`) so that each palette
colour is a CSS variable, with the light colour as fallback, and the page decides on light, dark or print. Names are
drawn literally (no math mode) and escaped by the XML writer. Rows are dictionaries of plain values (`plain_rows`).

    palette, marks, inline_svg                       what the figures share
    calibration, forest, sme_strip, weekly_trend     one figure each
"""
