package letter_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/letter"
	"github.com/nachtfach/nachtfach/pin"
)

// din91379 are the characters of DIN 91379:2022-08, group by group, and its
// sequences: all with a capital letter, and of the small ones some for each
// mark. Left out are line ends and the three signs that fonts/README.md names.
var din91379 = map[string]string{
	"letters": `A B C D E F G H I J K L M N O P Q R S T U V W X Y Z
		a b c d e f g h i j k l m n o p q r s t u v w x y z
		À Á Â Ã Ä Å Æ Ç È É Ê Ë Ì Í Î Ï Ð Ñ Ò Ó Ô Õ Ö Ø Ù Ú
		Û Ü Ý Þ ß à á â ã ä å æ ç è é ê ë ì í î ï ð ñ ò ó ô
		õ ö ø ù ú û ü ý þ ÿ Ā ā Ă ă Ą ą Ć ć Ĉ ĉ Ċ ċ Č č Ď ď
		Đ đ Ē ē Ĕ ĕ Ė ė Ę ę Ě ě Ĝ ĝ Ğ ğ Ġ ġ Ģ ģ Ĥ ĥ Ħ ħ Ĩ ĩ
		Ī ī Ĭ ĭ Į į İ ı Ĳ ĳ Ĵ ĵ Ķ ķ ĸ Ĺ ĺ Ļ ļ Ľ ľ Ŀ ŀ Ł ł Ń
		ń Ņ ņ Ň ň ŉ Ŋ ŋ Ō ō Ŏ ŏ Ő ő Œ œ Ŕ ŕ Ŗ ŗ Ř ř Ś ś Ŝ ŝ
		Ş ş Š š Ţ ţ Ť ť Ŧ ŧ Ũ ũ Ū ū Ŭ ŭ Ů ů Ű ű Ų ų Ŵ ŵ Ŷ ŷ
		Ÿ Ź ź Ż ż Ž ž Ƈ ƈ Ə Ɨ Ơ ơ Ư ư Ʒ Ǎ ǎ Ǐ ǐ Ǒ ǒ Ǔ ǔ Ǖ ǖ
		Ǘ ǘ Ǚ ǚ Ǜ ǜ Ǟ ǟ Ǣ ǣ Ǥ ǥ Ǧ ǧ Ǩ ǩ Ǫ ǫ Ǭ ǭ Ǯ ǯ ǰ Ǵ ǵ Ǹ
		ǹ Ǻ ǻ Ǽ ǽ Ǿ ǿ Ȓ ȓ Ș ș Ț ț Ȟ ȟ ȧ Ȩ ȩ Ȫ ȫ Ȭ ȭ Ȯ ȯ Ȱ ȱ
		Ȳ ȳ ə ɨ ʒ Ḃ ḃ Ḇ ḇ Ḋ ḋ Ḍ ḍ Ḏ ḏ Ḑ ḑ ḗ Ḝ ḝ Ḟ ḟ Ḡ ḡ Ḣ ḣ
		Ḥ ḥ Ḧ ḧ Ḩ ḩ Ḫ ḫ ḯ Ḱ ḱ Ḳ ḳ Ḵ ḵ Ḷ ḷ Ḻ ḻ Ṁ ṁ Ṃ ṃ Ṅ ṅ Ṇ
		ṇ Ṉ ṉ Ṓ ṓ Ṕ ṕ Ṗ ṗ Ṙ ṙ Ṛ ṛ Ṟ ṟ Ṡ ṡ Ṣ ṣ Ṫ ṫ Ṭ ṭ Ṯ ṯ Ẁ
		ẁ Ẃ ẃ Ẅ ẅ Ẇ ẇ Ẍ ẍ Ẏ ẏ Ẑ ẑ Ẓ ẓ Ẕ ẕ ẖ ẗ ẞ Ạ ạ Ả ả Ấ ấ
		Ầ ầ Ẩ ẩ Ẫ ẫ Ậ ậ Ắ ắ Ằ ằ Ẳ ẳ Ẵ ẵ Ặ ặ Ẹ ẹ Ẻ ẻ Ẽ ẽ Ế ế
		Ề ề Ể ể Ễ ễ Ệ ệ Ỉ ỉ Ị ị Ọ ọ Ỏ ỏ Ố ố Ồ ồ Ổ ổ Ỗ ỗ Ộ ộ
		Ớ ớ Ờ ờ Ở ở Ỡ ỡ Ợ ợ Ụ ụ Ủ ủ Ứ ứ Ừ ừ Ử ử Ữ ữ Ự ự Ỳ ỳ
		Ỵ ỵ Ỷ ỷ Ỹ ỹ`,
	"sequences": "A\u030b C\u0300 C\u0304 C\u0306 C\u0308 C\u0315 C\u0323 C\u0326 C\u0328\u0306 D\u0302 F\u0300 F\u0304 G\u0300 " +
		"H\u0304 H\u0326 H\u0331 J\u0301 J\u030c K\u0300 K\u0302 K\u0304 K\u0307 K\u0315 K\u031b K\u0326 K\u035fH K\u035fh " +
		"L\u0302 L\u0325 L\u0325\u0304 L\u0326 M\u0300 M\u0302 M\u0306 M\u0310 N\u0302 N\u0304 N\u0306 N\u0326 P\u0300 P\u0304 P\u0315 P\u0323 " +
		"R\u0306 R\u0325 R\u0325\u0304 S\u0300 S\u0304 S\u031b\u0304 S\u0331 T\u0300 T\u0304 T\u0308 T\u0315 T\u031b U\u0307 Z\u0300 Z\u0304 Z\u0306 Z\u0308 Z\u0327 " +
		"a\u030b c\u0300 c\u0328\u0306 d\u0302 f\u0304 h\u0326 j\u0301 k\u031b k\u035fh l\u0325\u0304 m\u0310 n\u0306 p\u0315 r\u0325\u0304 s\u031b\u0304 t\u0315 u\u0307 z\u0327 " +
		"\u00c7\u0306 \u00db\u0304 \u00e7\u0306 \u00fb\u0304 \u00ff\u0301 \u010c\u0315 \u010c\u0323 \u0113\u030d \u012a\u0301 \u014d\u030d \u017d\u0326 \u017e\u0327 " +
		"\u1e32\u0304 \u1e62\u0304 \u1e6c\u0304 \u1ea0\u0308 \u1ecc\u0308 \u1ee4\u0304 \u1ee5\u0308",
	"other signs": "' , - . ` ~ ¨ ´ · ʹ ʺ ʾ ʿ ˈ ˌ ’ ‡ ! \" # $ % & ( ) * + / 0 1 2 3 4 5 6 7 8 9 : ; < = > ? @ [ \\ ] ^ _ { | } " +
		"¡ ¢ £ ¥ § © ª « ¬ ® ¯ ° ± ² ³ µ ¶ ¹ º » ¿ × ÷ € ¤ ¦ ¸ ¼ ½ ¾",
	"Greek": "Ά Έ Ή Ί Ό Ύ Ώ ΐ Α Β Γ Δ Ε Ζ Η Θ Ι Κ Λ Μ Ν Ξ Ο Π Ρ Σ Τ Υ Φ Χ Ψ Ω Ϊ Ϋ ά έ ή ί ΰ α β γ δ ε ζ η θ ι κ λ μ ν " +
		"ξ ο π ρ ς σ τ υ φ χ ψ ω ϊ ϋ ό ύ ώ",
	"Cyrillic": "Ѝ А Б В Г Д Е Ж З И Й К Л М Н О П Р С Т У Ф Х Ц Ч Ш Щ Ъ Ь Ю Я а б в г д е ж з и й к л м н о п р с т у ф х ц ч ш щ ъ ь ю я ѝ",
	"extended": "ƒ ʰ ʳ ˆ ˜ ˢ ᵈ ᵗ ‘ ‚ “ ” „ † … ‰ ′ ″ ‹ › ⁰ ⁴ ⁵ ⁶ ⁷ ⁸ ⁹ ⁿ ₀ ₁ ₂ ₃ ₄ ₅ ₆ ₇ ₈ ₉ ™",
}

func TestANameOfAnyLettersOfDIN91379IsPrinted(t *testing.T) {
	code, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	w := letter.Words{German: "rund um die Uhr", English: "at any hour"}
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	printed := func(name string) error {
		return letter.Write(io.Discard, letter.Letter{
			Town:    letter.Town{Name: "Stadt", Office: "Büro", Address: []string{"Markt 1", "12345 Ort"}, Phone: "1", Hours: w},
			Station: letter.Station{Place: w, Hours: w},
			To:      []string{"X" + name + "y", "Weg 1", "12345 Ort"}, Date: day, Order: "ORDER-0001",
			Code: code.Groups(), QR: code.QR(), Fingers: []int{2, 7}, LastDay: day.AddDate(0, 0, 6),
		})
	}
	const together = 15 // in one name
	for group, all := range din91379 {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			letters := strings.Fields(all)
			for len(letters) > 0 {
				some := letters[:min(together, len(letters))]
				letters = letters[len(some):]
				if printed(strings.Join(some, "")) == nil {
					continue
				}
				for _, one := range some {
					if err := printed(one); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}
