"""The sketches of people: heads one unit tall about the origin, with all that is below them."""

_TONES = """
pick skin #f4d4bc #e8bea0 #deac88 #c6926c #a06e4c #704c36; pick lips #b4786a #a05a50
pick hair #241c1a #3e2a20 #604028 #96683c #cea868 #a04628 #a8a6a4
60% hue cloth 0,1 .5,.6
else pick cloth #282a32 #e1ded8 #78787e
pick iris #462e1e #5a7896 #5a7850; pick trousers #303854 #28282c #827056
"""
_LEGS = "2line trousers .7 .36,2.7 .45,4 .5,5.4; 2dot black .6,5.55 .36,.16"
_BODY = """
60% 2line cloth*.85 .46 .85,1.05 1.15,2 1.1,2.9; 2dot skin 1.1,3.1 .24,.26
else 2line cloth*.85 .46 .85,1.05 1.7,2 .95,2.6; 2dot skin .85,2.6 .24,.24
sym skin*.78 .17,.3 .2,.85; sym cloth .16,.64 .72,.78 .98,1.2 .8,2.1 .85,2.9
"""
_FACE = """
2dot skin*.88 .37,.03 .05,.1; sym skin 0,-.5 .27,-.42 .37,-.12 .34,.14 .25,.38 .08,.5
curve skin*.92 .36,-.15 .34,.14 .24,.37 .06,.49 .18,.2 .27,0; 2dot skin*.75 .165,-.03 .085,.05
2dot white .165,-.03 .07,.038; 2dot iris .165,-.03 .036,.036; 2dot black .165,-.03 .017,.017
line skin*.75 .025 .02,-.06 .05,.12 0,.14; 2line hair*.8 .035 .255,-.14 .145,-.17 .065,-.13
50% curve lips*.8 -.15,.24 0,.27 .15,.24 0,.37; curve white -.11,.26 0,.28 .11,.26 0,.32
else curve lips -.12,.275 -.04,.255 .04,.255 .12,.275 0,.315
12% 2line black .02 .05,-.04 .28,-.1 .27,.07 .07,.06 .05,-.04; line black .02 -.05,-.04 .05,-.04
"""
MAN = f"""{_TONES}{_LEGS}
{_BODY}
50% poly white -.17,.62 0,1 .17,.62; 2poly cloth*1.3 .17,.6 .3,.78 0,1.05
{_FACE}
35% 2curve hair*.9 0,.19 .16,.21 .2,.3 .1,.4 0,.4 .1,.6 .28,.38 .36,.05 .3,.18
20% sym hair*.9 0,.17 .17,.25 0,.235
85% sym hair 0,-.6 .25,-.56 .4,-.3 .4,-.04 .34,-.2 .2,-.34 0,-.32"""
WOMAN = f"""
pick lips #be283c #cd5064 #96283c #c07068
{_TONES}
85% sym hair*.75 0,-.6 .36,-.48 .47,0 .52,.6 .3,.95
else dot hair 0,-.62 .2,.18
60% 2line skin .42 .3,3 .36,5.4; sym cloth .3,1.8 .75,2.2 1.3,4.2
else {_LEGS}
{_BODY}
60% sym skin .26,.68 .14,1.15
{_FACE}2line black .034 .245,-.03 .165,-.075 .085,-.03; 2line black .02 .235,-.045 .28,-.08
sym hair 0,-.6 .3,-.52 .43,-.2 .41,.06 .34,-.16 .12,-.4 0,-.44
85% 2curve hair .3,-.4 .42,-.2 .47,.3 .42,.75 .34,.3 .35,-.1"""
BABY = f"""{_TONES}pick soft #f5d7dc #cde1f0 #f5eec8 #e1f0dc; pick cheek #f0a898
sym soft .2,.36 .5,.6 .62,1.2 .4,1.7; 2line soft*.92 .2 .45,.7 .66,.95 .4,1.05
2dot skin*.9 .46,.08 .06,.09; sym skin 0,-.52 .32,-.44 .48,-.08 .44,.22 .24,.43 0,.47
2dot skin .36,1.04 .1,.09; 2dot cheek .27,.2 .1,.07; 2dot white .18,.05 .095,.075
2dot iris .18,.05 .062,.068; 2dot black .18,.05 .032,.032; dot skin*.86 0,.17 .045,.028
30% hue dummy 0,1 .5,.9; dot dummy 0,.3 .13,.1; dot white 0,.3 .05,.045
else curve lips -.09,.27 0,.28 .09,.27 0,.37
35% sym soft*.94 0,-.66 .54,-.2 .52,.3 .4,-.12 0,-.32
else curve hair .02,-.5 .1,-.56 .14,-.44 .02,-.36 -.08,-.42"""
