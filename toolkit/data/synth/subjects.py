"""The sketches of animals, plants and things; ``sketch`` says how to read them.

They face right and are one unit long; trees are one unit tall; blossoms have a radius of one. Cars,
dogs and trees stand on y = 0, birds, blossoms and faces lie about the origin.
"""

_BIRD = """
50% pick back #5a4e42 #3c3e44 #e6e4e0 #78746c #222228
else hue back 0,1 .75,.75
pick breast #e1cdaf #fafaf8 #dc9646 #f0c85a; pick beak #eba532 #3c3834; pick bark #5c4636
"""
PERCHED = f"""{_BIRD}line bark .08 -1.6,.36 0,.33 1.6,.26; line beak .03 -.02,.2 0,.34
line beak .03 -.12,.2 -.1,.34; poly back*.65 -.2,0 -.66,.2 -.58,.28 -.15,.16
curve back -.4,.1 -.1,-.2 .18,-.24 .3,-.02 .14,.22 -.14,.24; dot back .28,-.25 .14,.13
curve breast -.08,.2 .16,-.08 .29,-.04 .2,.14 .04,.23; poly beak .36,-.33 .6,-.22 .36,-.19
curve back*.65 -.44,.16 -.14,-.12 .1,-.06 0,.12; dot black .335,-.28 .03,.03"""
FLYING = f"""{_BIRD}curve back*.7 .16,-.04 .06,-.3 -.24,-.66 -.2,-.2 -.14,0
poly back*.8 -.2,-.06 -.5,-.06 -.5,.1 -.2,.06; curve back -.36,.02 -.1,-.1 .26,-.13 .32,-.02 .1,.1
curve breast -.2,.06 .1,0 .28,-.04 .1,.1; curve back*.85 .16,0 .04,.3 -.3,.56 -.24,.2 -.14,.04
poly beak .4,-.15 .56,-.06 .4,-.03; dot back .34,-.09 .1,.085; dot black .37,-.11 .02,.02"""
_COAT = """
pick coat #b07e4a #5c422e #3e3a3a #ceb288 #e8e0d2 #8c8682 #965630; pick patch #fafaf8 #3c2c24
"""
DOG = f"""{_COAT}line coat*.8 .06 -.4,-.5 -.52,-.62 -.5,-.82
line coat*.7 .09 -.24,-.34 -.27,-.16 -.24,0; line coat*.7 .09 .26,-.34 .28,-.16 .24,0
line coat .09 -.34,-.34 -.38,-.16 -.34,0; line coat .09 .18,-.34 .16,-.16 .16,0
curve coat -.44,-.5 0,-.56 .34,-.6 .36,-.3 0,-.27 -.4,-.3; dot coat .48,-.8 .16,.15
curve coat .2,-.58 .4,-.82 .54,-.6 .34,-.36; curve coat .46,-.92 .7,-.8 .73,-.7 .46,-.66
40% spray patch 4,.08 -.1,-.44 .2,.04
dot black .73,-.78 .04,.035; dot black .57,-.84 .025,.025; line coat*.5 .015 .71,-.71 .58,-.7
70% curve coat*.6 .36,-.92 .48,-.9 .5,-.7 .4,-.58 .32,-.74
else poly coat*.6 .36,-.9 .4,-1.1 .5,-.92"""
DOG_FACE = f"""{_COAT}sym coat*.85 .3,.3 .5,1 .5,2; sym patch .14,.4 .2,1 0,1.5
sym coat 0,-.48 .3,-.38 .4,-.02 .26,.3 0,.46; curve patch .05,-.3 .33,-.25 .33,.05 .1,.02
75% 2curve coat*.6 .2,-.42 .4,-.34 .54,.12 .44,.36 .34,.1
else 2poly coat*.6 .38,-.1 .36,-.66 .06,-.34
2dot coat*.5 .17,-.1 .075,.065; 2dot black .17,-.1 .05,.05; 2dot white .18,-.12 .018,.018
pick pale #fafaf8 #e8dcc8 #c8aa82; sym pale 0,-.4 .06,-.1 .2,.14 .19,.34 0,.44
50% pick tongue #de697a; sym tongue .08,.33 .08,.56
line black .03 -.15,.27 -.06,.33 0,.28 .06,.33 .15,.27; sym black 0,.02 .11,.06 .05,.16"""
_CAT = f"""{_COAT}sym coat*.88 .28,.25 .42,1 .42,2; 2poly coat .46,0 .42,-.62 .06,-.36
pick pink #d69898; 2poly pink .39,-.16 .37,-.48 .15,-.34; pick eye #bebe46 #6ea05a
sym coat 0,-.42 .3,-.36 .48,.02 .3,.32 0,.4; 2dot eye .19,-.06 .1,.085; 2dot black .19,-.06 .03,.08
poly pink -.06,.09 .06,.09 0,.16; 2line white .01 .14,.17 .6,.08; 2line white .01 .14,.18 .6,.22"""
_LEAFY = """
pick bark #54402e #685444 #3e3430 #827668
80% hue leaf .2,.36 .6,.45
else hue leaf .02,.13 .7,.7
poly bark -.05,.01 -.03,-.6 .03,-.6 .05,.01; poly bark*.7 .01,.01 .01,-.6 .03,-.6 .05,.01
spray leaf*.65 50,.12 {0}; spray leaf 90,.05 {0}; spray leaf*1.2 60,.02 {0}"""
_FIR = """
pick bark #54402e; hue leaf .3,.42 .55,.35; poly bark -.03,0 -.03,-.2 .03,-.2 .03,0
poly leaf*.8 0,-.5 .32,-.12 .1,-.16 -.1,-.14 -.32,-.12; poly leaf*.9 0,-.65 .26,-.3 0,-.34 -.26,-.3
poly leaf 0,-.8 .2,-.48 0,-.52 -.2,-.48; poly leaf*1.1 0,-1 .14,-.66 0,-.7 -.14,-.66"""
TREES = (*map(_LEAFY.format, ("0,-.62 .32,.28", "0,-.66 .24,.3", "0,-.6 .14,.36")), _FIR)
_STALK = """
40% pick petal #f8f6f0 #fadc46
else hue petal .8,1.05 .75,.95
hue green .25,.36 .6,.45; pick heart #f5c83c #6e4628; line green .16 0,0 .1,2 0,5
curve green*.85 .02,3.4 .7,2.5 1.6,2.2 .9,3.2; curve green 0,4 -.7,3 -1.5,2.8 -.9,3.8
"""
FLOWERS = (
    f"""{_STALK}2dot petal .55,.3 .4,.36; 2dot petal*.9 .55,-.3 .4,.36; dot petal*.95 0,.6 .36,.4
dot petal*.95 0,-.6 .36,.4; dot heart 0,0 .3,.3""",
    f"""{_STALK}2line petal .2 0,0 .95,.2; 2line petal*.9 .2 0,0 .75,.65; 2line petal .2 0,0 .3,.95
2line petal*.9 .2 0,0 .9,-.35; 2line petal .2 0,0 .5,-.85; line petal .2 0,0 0,-1
dot heart 0,0 .35,.35""",
    f"""{_STALK}curve petal*.85 -.1,.7 -.6,0 -.5,-.95 0,-.3; curve petal 0,.75 .45,.1 0,-1 -.45,.1
curve petal*.9 .1,.7 .6,0 .5,-.95 0,-.3""",
)
CAR = """
50% pick paint #c8cacc #28282c #9ea4aa #f0f0ee
else hue paint 0,1 .8,.7
pick glass #425260 #8aa0b0; pick steel #a0a4a8; pick lamp #faf0c8; pick red #c82828
poly glass -.38,-.21 -.3,-.33 .09,-.335 .2,-.21
50% line paint .035 -.38,-.2 -.26,-.35 .1,-.35 .26,-.2; line paint .03 -.04,-.35 -.04,-.2
else poly paint -.46,-.2 -.42,-.37 .1,-.37 .26,-.2; poly glass -.4,-.21 -.38,-.34 .09,-.34 .19,-.21
curve paint -.49,-.2 -.3,-.23 .1,-.235 .4,-.19 .5,-.15 .5,-.06 .3,-.05 -.3,-.05 -.5,-.07
poly paint*.65 -.49,-.1 .5,-.1 .48,-.055 -.48,-.055; dot lamp .475,-.145 .025,.022
line paint*.65 .01 -.04,-.22 -.04,-.08; dot red -.485,-.15 .018,.024
2dot black .3,-.085 .1,.1; 2dot steel .3,-.085 .055,.055"""
_HOUSE = """
pick glass #465464; hue wall 0,.15 .25,.65; poly wall -.4,0 -.4,-1 .4,-1 .4,0
2line glass .14 .22,-.22 .22,-.36; 2line glass .14 .22,-.6 .22,-.74
pick roof #7a4838 #5a5a60; poly roof -.45,-1 0,-1.3 .45,-1"""
ASTRAY = (_CAT, _HOUSE)
